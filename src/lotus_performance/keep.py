"""What keeps calculations, made from the settings: executions in a database, artifacts in a folder."""

from lotus_performance.jobs.lineage import Lineage
from lotus_performance.settings import Settings
from lotus_performance.storage.artifacts import Artifacts
from lotus_performance.storage.database import Database
from lotus_performance.storage.executions import Executions


def keep(settings: Settings) -> Lineage | None:
    """Return where calculations are kept, None where they are not; nothing is opened yet."""
    if settings.lineage_mode == "off":
        return None
    return Lineage(Executions(Database(settings.database)), Artifacts(settings.artifacts))
