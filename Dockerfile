# One image for worker, trainer and the commands. The broker is an image of its own (docker-compose.yml).
FROM python:3.11-slim AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements.lock .
RUN /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY models models
COPY streams streams
COPY feature_repo feature_repo
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --create-home --uid 1000 freshrank && install -d -o freshrank /data /data/models
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH FRESHRANK_DATA_DIR=/data PYTHONUNBUFFERED=1
USER freshrank
WORKDIR /home/freshrank
VOLUME /data
ENTRYPOINT ["freshrank"]
CMD ["--help"]
