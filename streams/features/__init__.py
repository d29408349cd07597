# Importing Feast costs 9 s of a core, of which 7 go to typeguard: it compiles Feast's modules a second time, to check
# the types of arguments at run time. We call Feast in few places, which mypy and tests look at; every start of a worker
# waits for it. Nothing else here uses typeguard. tests/features/test_feast_import.py tells when this can go.
import typeguard


def _unchecked(target=None, **_options):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN003, ANN202
    """The decorator of typeguard without its work; also used with options, as `@typechecked(...)`."""
    return _unchecked if target is None else target


typeguard.typechecked = _unchecked
