import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from feast import FeatureStore

from streams.features.feast_repo import prepare_repo
from streams.settings import CatalogueFields, Settings

ROOT = Path(__file__).parents[2]
FEAST = Path(sys.executable).with_name("feast")
VIEWS = {"user_counters": ["user"], "item_counters": ["item"]}


def apply(folder: Path) -> None:
    """Run Feast's own command inside a repo, as a person would."""
    done = subprocess.run(
        [str(FEAST), "apply"], cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def views_of(folder: Path) -> dict[str, list[str]]:
    """Feature views of a repo and their entities, as Feast reads them."""
    return {view.name: view.entities for view in FeatureStore(repo_path=str(folder)).list_feature_views()}


def files_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_repository_s_own_definitions_apply_with_feast_s_command(tmp_path: Path) -> None:
    folder = tmp_path / "main" / "feature_repo"
    shutil.copytree(ROOT / "feature_repo", folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "main" / ".freshrank").mkdir()
    apply(folder)
    assert views_of(folder) == VIEWS


def test_a_prepared_repo_opens_from_anywhere_and_has_the_views_and_the_service_of_its_schema(repo: Path) -> None:
    assert views_of(repo) == VIEWS
    (service,) = FeatureStore(repo_path=str(repo)).list_feature_services()
    assert service.name == f"ranker_{CatalogueFields().schema_.hash}"


def test_preparing_again_changes_no_file(repo: Path, feast_settings: Settings) -> None:
    before = files_of(repo)
    assert prepare_repo(feast_settings, repo) == repo
    assert files_of(repo) == before


def test_a_prepared_repo_can_be_applied_by_feast_s_command_too(repo: Path) -> None:
    apply(repo)
    assert views_of(repo) == VIEWS


def test_declaring_other_fields_applies_other_columns_and_keeps_the_service_of_the_old_schema(
    repo: Path, feast_settings: Settings
) -> None:
    """Models of the old schema may still be served."""
    declared = CatalogueFields(affinity=("colour",), numbers=("price", "weight"))
    prepare_repo(feast_settings.model_copy(update={"catalogue": declared}), repo)
    store = FeatureStore(repo_path=str(repo))
    names = [field.name for field in store.get_feature_view("user_counters").features]
    assert names[-2:] == ["affinity_colour_values", "affinity_colour_weights"]
    assert {service.name for service in store.list_feature_services()} == {
        f"ranker_{CatalogueFields().schema_.hash}",
        f"ranker_{declared.schema_.hash}",
    }


def test_processes_that_prepare_one_repo_at_once_leave_one_whole_repo(tmp_path: Path, feast_settings: Settings) -> None:
    """Locks of this kind hold between threads as they do between processes."""
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: prepare_repo(feast_settings, tmp_path / "run"), range(4)))
    assert set(folders) == {tmp_path / "run"}
    assert len(FeatureStore(repo_path=str(tmp_path / "run")).list_feature_views()) == 2


def test_a_password_is_readable_by_its_owner_alone_and_reaches_redis_unchanged(
    tmp_path: Path, redis_settings: Settings
) -> None:
    repo = prepare_repo(redis_settings, tmp_path / "run")
    assert (repo / "feature_store.yaml").stat().st_mode & 0o777 == 0o600
    secret = redis_settings.feast.redis_connection_string.get_secret_value()
    assert FeatureStore(repo_path=str(repo)).config.online_store.connection_string == secret


def test_the_number_of_partitions_is_that_of_the_topics(repo: Path, feast_settings: Settings) -> None:
    online_store = json.loads((repo / "feature_store.yaml").read_text())["online_store"]
    assert online_store["num_partitions"] == feast_settings.num_partitions
