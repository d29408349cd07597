"""A Redis of our own that keeps what it is told, behind a line that can be cut."""

import asyncio
import shutil
import socket
import subprocess
from pathlib import Path
from threading import Event
from typing import Self

HOST = "127.0.0.1"
POLL_S = 0.02
STARTS_WITHIN_S = 10.0


class RedisLine:
    """`address` is the line's. Use as an async context manager; raises FileNotFoundError without redis-server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port, line_port = _free_port(), _free_port()
        self.address = f"{HOST}:{line_port}"
        self._line_port = line_port
        self._process: subprocess.Popen[bytes] | None = None
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()
        self._is_cut = False

    async def __aenter__(self) -> Self:
        """Start both."""
        self._folder.mkdir(parents=True)
        await asyncio.to_thread(self._start)
        self._server = await asyncio.start_server(self._take, HOST, self._line_port)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop both."""
        if self._server is not None:
            self._server.close()
        self._hang_up()
        await asyncio.gather(*self._carrying, return_exceptions=True)
        self._kill()

    def cut(self) -> None:
        """Every connection ends, and a new one ends at once."""
        self._is_cut = True
        self._hang_up()

    def mend(self) -> None:
        """Connections are carried again."""
        self._is_cut = False

    def kill_and_start(self) -> bool:
        """kill -9 of the server, and a new one on its files."""
        self._kill()
        self._start()
        return True

    def _start(self) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            raise FileNotFoundError("redis-server")
        options = ["--bind", HOST, "--port", str(self._port), "--save", "", "--appendonly", "yes"]
        self._process = subprocess.Popen(
            [binary, *options, "--dir", str(self._folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        pause = Event()
        for _ in range(int(STARTS_WITHIN_S / POLL_S)):
            with socket.socket() as probe:
                if not probe.connect_ex((HOST, self._port)):
                    return
            pause.wait(POLL_S)
        raise TimeoutError(f"Redis did not start within {STARTS_WITHIN_S} s")

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _hang_up(self) -> None:
        for writer in list(self._ends):
            writer.transport.abort()

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self._port)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._ends |= ends
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        self._ends -= ends


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until either end is gone; then both go."""
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.transport.abort()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
