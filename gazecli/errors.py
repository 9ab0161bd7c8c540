"""Every way `gaze` can fail.

    GazeError                 exit 1   it ran and failed
    ├── BadInput              exit 2   refused before work starts
    │   ├── UsageError                 an option, or a combination of options
    │   ├── PictureError               a picture file
    │   ├── RegionError                a region spec, or a region without a token
    │   ├── ComicsError                a comics folder
    │   ├── AnnotationsError           a file of annotations, or of answers to be judged
    │   ├── ScheduleError              the schedule of `switch`
    │   ├── ModelError                 a model name, checkpoint or processor
    │   └── HeadSetError               a head set's name, file or fit to a model
    ├── SteeringError         exit 1   steering had no effect
    ├── JudgeError            exit 1   a judge on the network did not answer
    ├── HubError              exit 1   the Hub did not answer, or refused
    ├── SpanError             exit 1   the written text does not hold the given words
    ├── CheckFailed           exit 1   a check did not hold
    └── CacheError            exit 1   the cache folder cannot be read or written

Every error says what happened, to which thing (`subject`), and what to do next (`hint`). `code` is a
stable dotted name for programs.
"""

from __future__ import annotations


class GazeError(Exception):
    """Base of all errors; `str(error)` is one line."""

    exit_code = 1
    default_code = "gaze.failed"

    def __init__(
        self, message: str, *, subject: str | None = None, hint: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.subject = subject
        self.hint = hint
        self.code = code or self.default_code

    def __str__(self) -> str:
        return f"{self.message}: {self.subject}" if self.subject else self.message


class BadInput(GazeError):
    """Wrong usage or bad input; nothing was started."""

    exit_code = 2
    default_code = "input.bad"


class UsageError(BadInput):
    """An option has an impossible value, or cannot matter in this combination."""

    default_code = "usage.invalid"


class PictureError(BadInput):
    """A picture cannot be read or used."""

    default_code = "picture.unreadable"


class RegionError(BadInput):
    """A region spec is malformed, lies outside the picture, or owns no image token."""

    default_code = "region.invalid"


class ComicsError(BadInput):
    """A comics folder is missing, empty, or has no usable strip.

    panels: how many a strip has that should have another number of them.
    """

    default_code = "comics.unusable"
    panels: int | None = None


class AnnotationsError(BadInput):
    """A file of annotations, or of answers to be judged, is unreadable, malformed or of something else."""

    default_code = "annotations.invalid"


class ScheduleError(BadInput):
    """A schedule is malformed or names a region that is not there."""

    default_code = "schedule.invalid"


class ModelError(BadInput):
    """A model is unknown, absent, unsupported or broken."""

    default_code = "model.unusable"


class HeadSetError(BadInput):
    """A head set is unknown, ambiguous, damaged or of another model."""

    default_code = "headset.unusable"


class SteeringError(GazeError):
    """Steering had no effect."""

    default_code = "steering.ineffective"


class SpanError(GazeError):
    """The written text does not hold the given words."""

    default_code = "span.absent"


class JudgeError(GazeError):
    """A judge could not be reached, or refused."""

    default_code = "judge.failed"


class HubError(GazeError):
    """The Hub could not be reached, or refused."""

    default_code = "hub.failed"


class CheckFailed(GazeError):
    """A check ran and did not hold."""

    default_code = "check.failed"


class CacheError(GazeError):
    """The cache cannot be read or written."""

    default_code = "cache.unusable"


def as_gaze_error(error: Exception) -> GazeError:
    """`error` itself, or in our words where it is none of ours."""
    if isinstance(error, GazeError):
        return error
    # torch's own error for a device's memory; torch may not have been imported.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        hint = "fewer image tokens (--image-tokens), a smaller --batch-size or a smaller model may fit"
        return GazeError("not enough memory", hint=hint, code="gaze.memory")
    from gazecli.dependencies import too_old, untested

    kind = type(error).__name__
    misfits = too_old()
    # A module that is not found is named before others that only may be to blame.
    for misfit in sorted(misfits, key=lambda misfit: misfit.name != getattr(error, "name", None))[:1]:
        return GazeError(
            f"{misfit.state} for this version of gaze, and it failed ({kind})",
            subject=str(error) or None,
            hint=f"run: pip install '{misfit.needed}'",
            code="gaze.library",
        )
    hint = "this is a bug: run it again with -vv and report what it prints"
    newer = untested()
    if newer:
        named = ", ".join(f"{misfit.name} {misfit.installed}" for misfit in newer)
        fitting = " ".join(f"'{misfit.needed}'" for misfit in newer)
        hint = f"{named} is newer than gaze was tested with; try: pip install {fitting}"
    code = "gaze.library" if newer else "gaze.unexpected"
    return GazeError(f"unexpected {kind}", subject=str(error) or None, hint=hint, code=code)


def unwritable(path: object, error: OSError, *, code: str = "output.unwritable") -> GazeError:
    """The error of a file or folder that cannot be written."""
    return GazeError(
        f"cannot write ({(error.strerror or type(error).__name__).lower()})",
        subject=str(path),
        hint="choose another place, or make room there",
        code=code,
    )


def cannot_matter(name: str, where: str, hint: str = "leave it out", subject: object = None) -> UsageError:
    """The error for a setting, named like its parameter, that changes nothing `where` it is given."""
    return UsageError(
        f"--{name.replace('_', '-')} has no effect {where}",
        subject=None if subject is None else str(subject),
        hint=hint,
    )
