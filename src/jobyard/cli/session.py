"""
What one command works on: the settings of its command line, and the yard they lead to.

Rule: all that the command line says is noted before the application is imported, since importing it makes its yard.
"""

from __future__ import annotations

import sys
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobyard.cli import output
from jobyard.cli.failure import Failure, WrongUse
from jobyard.config import Settings, load_settings, set_command_line
from jobyard.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from types import TracebackType

    from jobyard.yard import Yard

__all__ = ["Session", "pass_session"]

_DEFAULT_ATTRIBUTE = "yard"
_PACKAGE = Path(__file__).parents[1]


class Session:
    """One per invocation. Its yard is opened when first asked for."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}
        """The settings that the command line says."""
        self._yard: Yard | None = None

    def settings(self) -> Settings:
        """The settings in force, as far as they are known without the application."""
        self._note()
        return load_settings()

    def app_name(self) -> str | None:
        """Which application is meant: ``module:attribute``, or None."""
        return self.settings().app

    def yard(self, *, may_be_new: bool = False) -> Yard:
        """
        The yard of the application, else a plain one of the settings, which knows no tasks.

        Args:
            may_be_new: the command may be the first to use its file, or uses none. All others refuse a file that is
                not there: they would make an empty one, and say that there are no jobs, to whoever mistook the folder.
        """
        if self._yard is None:
            name = self.app_name()
            self._yard = self._import(name) if name else self._plain()
        if not may_be_new:
            _check_there(self._yard)
        return self._yard

    def app(self, *, may_be_new: bool = False) -> Yard:
        """The `yard` of the application, for commands that need its tasks."""
        if self.app_name() is None:
            msg = (
                "this needs your tasks: say where your yard is with --app module:yard "
                "(or app = 'module:yard' in jobyard.toml, or $JOBYARD_APP)"
            )
            raise WrongUse(msg)
        return self.yard(may_be_new=may_be_new)

    def close(self) -> None:
        """Let go of the store, and of what the command line said."""
        set_command_line({})
        if self._yard is not None:
            self._yard.close()

    def _note(self) -> None:
        set_command_line(self.given)

    def _plain(self) -> Yard:
        from jobyard.yard import Yard

        return Yard()

    def _import(self, name: str) -> Yard:
        self._note()
        module_name, _, attribute = name.partition(":")
        if not all(part.isidentifier() for part in module_name.split(".")):
            msg = f"--app {name}: give a module and the name of its yard, like shop.jobs:yard"
            raise WrongUse(msg)
        module = _import_module(module_name, name)
        try:
            found = attrgetter(attribute or _DEFAULT_ATTRIBUTE)(module)
        except AttributeError:
            msg = f"--app {name}: the module {module_name} has no {attribute or _DEFAULT_ATTRIBUTE!r}"
            raise WrongUse(f"{msg}{_yards_in(module, module_name)}") from None
        return _checked(found, name)


pass_session = click.make_pass_decorator(Session, ensure=True)


def _check_there(yard: Yard) -> None:
    if not yard.store.driver.is_there:
        msg = (
            f"there is no file {yard.store.location} yet: the first job makes it, or `jobyard db upgrade`; "
            "if your jobs are elsewhere, say so with --url"
        )
        raise Failure(msg)


def _import_module(module: str, app: str) -> Any:
    import importlib

    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(module)
    except (ConfigError, StoreError):
        raise
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            msg = f"--app {app}: there is no module {error.name!r} in {folder} or elsewhere on the path"
            raise WrongUse(msg) from None
        raise _broken(error, app) from None
    except (Exception, SystemExit) as error:
        raise _broken(error, app) from None


def _broken(error: BaseException, app: str) -> Failure:
    """Show the traceback, which begins in the user's module: it is theirs to mend."""
    output.show_exception(error.with_traceback(_of_the_user(error.__traceback__)))
    return Failure(f"--app {app}: the module could not be imported")


def _of_the_user(trace: TracebackType | None) -> TracebackType | None:
    """Without the frames that import the module, and those of jobyard that refuse what it says."""
    while trace is not None and _is_machinery(trace):
        trace = trace.tb_next
    last, step = None, trace
    while step is not None:
        last = step if not _is_ours(step) else last
        step = step.tb_next
    if last is not None:
        last.tb_next = None
    return trace


def _is_machinery(trace: TracebackType) -> bool:
    file = trace.tb_frame.f_code.co_filename
    return file.startswith("<frozen importlib") or "importlib" in Path(file).parts or _is_ours(trace)


def _is_ours(trace: TracebackType) -> bool:
    return Path(trace.tb_frame.f_code.co_filename).is_relative_to(_PACKAGE)


def _checked(found: Any, app: str) -> Yard:
    from jobyard.yard import Yard

    found = found if isinstance(found, Yard) else getattr(found, "yard", found)  # an AsyncYard has one
    if not isinstance(found, Yard):
        msg = f"--app {app}: that is a {type(found).__name__}, not a Yard"
        raise WrongUse(msg)
    return found


def _yards_in(module: Any, module_name: str) -> str:
    from jobyard.yard import Yard

    names = [name for name, value in vars(module).items() if isinstance(value, Yard)]
    return f"; did you mean {module_name}:{names[0]}?" if names else ""
