"""Small blocks of matrices that stay in registers: sums of outer products, and rows turned into columns.

Compiled loops work in memory, number by number or vector by vector. A block that keeps its vectors needs vector types,
which compiled Python does not have, so the instructions are written out here; LLVM fits them to the machine. What is
asked for must lie within the arrays.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["LANES", "ROWS", "add_products", "take_products", "transpose"]

# A block of sums that fits the registers of AVX2 and AVX-512.
ROWS, LANES = 8, 16
build: Any = cgutils
_INT32, _INT64 = ir.IntType(32), ir.IntType(64)
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_UNDEFINED = ir.Constant(_VECTOR, ir.Undefined)
# Of two vectors, numbers by turns: of their first halves, and of their second.
_ZIPS = [[half + lane // 2 + LANES * (lane % 2) for lane in range(LANES)] for half in (0, LANES // 2)]


class _Array:
    """An array argument of an intrinsic."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:  # noqa: ANN401
        self._given, self._kind = (context, builder), kind
        self._builder, self._value = builder, context.make_array(kind)(context, builder, value)

    def place(self, *index: Any) -> Any:  # noqa: ANN401
        return build.get_item_pointer(*self._given, self._kind, self._value, index, wraparound=False)

    def vector(self, *index: Any) -> Any:  # noqa: ANN401
        """Where LANES numbers begin."""
        return self._builder.bitcast(self.place(*index), _VECTOR.as_pointer())


def _shuffle(builder: Any, one: Any, other: Any, lanes: list[int]) -> Any:  # noqa: ANN401
    return builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(_INT32, LANES), lanes))


def _products(combine: str) -> Any:  # noqa: ANN401
    """(out_PP, factor_KP, num, row, column): the block of `out_PP` that begins there with products of `num` rows.

    The product of numbers at i and j of each row goes to (i, j), all float32. The arrays may be the same.
    """

    @intrinsic
    def block(_: Any, out_PP: Any, factor_KP: Any, num: Any, row: Any, column: Any) -> Any:  # noqa: ANN401, ARG001
        def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
            out, factor = (_Array(context, builder, signature.args[n], arguments[n]) for n in range(2))
            num, row, column = arguments[2:]
            places = [out.vector(builder.add(row, _INT64(r)), column) for r in range(ROWS)]
            sums = [build.alloca_once_value(builder, builder.load(place, align=4)) for place in places]
            with build.for_range(builder, num) as loop:
                right, left = builder.load(factor.vector(loop.index, column), align=4), factor.place(loop.index, row)
                for r, held in enumerate(sums):
                    first = builder.insert_element(_UNDEFINED, builder.load(builder.gep(left, [_INT64(r)])), _INT32(0))
                    every = _shuffle(builder, first, _UNDEFINED, [0] * LANES)
                    product = builder.fmul(every, right, flags=("contract",))
                    builder.store(getattr(builder, combine)(builder.load(held), product, flags=("contract",)), held)
            for place, held in zip(places, sums, strict=True):
                builder.store(builder.load(held), place, align=4)
            return context.get_dummy_value()

        return types.void(out_PP, factor_KP, types.intp, types.intp, types.intp), made

    return block


def _transposition() -> Any:  # noqa: ANN401
    """(factor_MW, item_P, column, out_WP, place): LANES columns, of as many items, become rows of `out_WP`.

    The items are those from `place` on, and stand at the same places in `out_WP`.
    """

    @intrinsic
    def block(_: Any, factor_MW: Any, item_P: Any, column: Any, out_WP: Any, place: Any) -> Any:  # noqa: ANN401, ARG001
        def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
            factor, item, out = (_Array(context, builder, signature.args[n], arguments[n]) for n in (0, 1, 3))
            column, place = arguments[2], arguments[4]
            held = []
            for lane in range(LANES):
                row = builder.load(item.place(builder.add(place, _INT64(lane))))
                held.append(builder.load(factor.vector(row, column), align=4))
            # Each time, vectors of the two halves are zipped: as often as LANES has bits, that is a transposition.
            for _ in range(LANES.bit_length() - 1):
                pairs = zip(held[: LANES // 2], held[LANES // 2 :], strict=True)
                held = [_shuffle(builder, *pair, lanes) for pair in pairs for lanes in _ZIPS]
            for lane, vector in enumerate(held):
                builder.store(vector, out.vector(builder.add(column, _INT64(lane)), place), align=4)
            return context.get_dummy_value()

        return types.void(factor_MW, item_P, types.intp, out_WP, types.intp), made

    return block


add_products, take_products, transpose = _products("fadd"), _products("fsub"), _transposition()
