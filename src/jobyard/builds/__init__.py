"""``yard.builds``: the storage interface of jobcontrol, on builds that workers run too."""

from jobyard.builds.messages import LogMessage
from jobyard.builds.packing import Placeholder
from jobyard.builds.storage import Storage

__all__ = ["LogMessage", "Placeholder", "Storage"]
