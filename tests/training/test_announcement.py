import json
from pathlib import Path

import pytest

from models.tasks import task_hash
from streams.settings import Settings
from streams.training.announcement import Announcement, announcement_of, decode_announcement, encode_announcement


def test_a_version_of_our_own_is_named_relative_to_the_models_folder(settings: Settings) -> None:
    folder = settings.data_dir / "models" / "000007"
    made = announcement_of(settings, 7, folder, cause="rollback", published_at_ms=5)
    assert made == Announcement(
        version=7,
        location="000007",
        feature_schema=settings.catalogue.schema_.hash,
        tasks=task_hash(settings.labels.tasks),
        published_at_ms=5,
        cause="rollback",
    )
    assert decode_announcement(encode_announcement(made)) == made


def test_a_version_elsewhere_is_named_whole(settings: Settings, tmp_path: Path) -> None:
    made = announcement_of(settings, 7, tmp_path / "shared" / "000007", cause="promote", published_at_ms=5)
    assert made.location == str(tmp_path / "shared" / "000007")


@pytest.mark.parametrize("location", ["../7", "7/../../etc", "a/b", "", "/models/../etc", "7\0"])
@pytest.mark.parametrize("is_before", [False, True])
def test_a_location_that_leads_elsewhere_is_refused(settings: Settings, location: str, *, is_before: bool) -> None:
    made = announcement_of(settings, 7, settings.data_dir / "models" / "000007", cause="round", published_at_ms=5)
    fields = json.loads(encode_announcement(made)) | ({"before": [location]} if is_before else {"location": location})
    with pytest.raises(ValueError, match="must be a folder's name, or absolute"):
        decode_announcement(json.dumps(fields).encode())


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", b'{"version": "one"}'])
def test_what_is_no_announcement_is_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_announcement(raw)
