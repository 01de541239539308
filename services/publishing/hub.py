"""Publishing a dataset folder on a hub, in one commit."""

from __future__ import annotations

from pathlib import Path

import httpx2
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from stillhouse.errors import FailedPrecondition, InvalidArgument, StillhouseError, Unavailable

_OPTION = "--push-to-hub"


def check_name(repo: str) -> None:
    """InvalidArgument if the hub would not take such a name."""
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise InvalidArgument(_OPTION, str(error)) from None
    if "/" not in repo:
        raise InvalidArgument(_OPTION, f"{repo!r} has no owner; give OWNER/NAME")


def push(folder: Path, repo: str, *, private: bool) -> str:
    """Make the dataset repository if it is not there, and commit the folder; its address.

    Address and token are those of huggingface_hub: HF_ENDPOINT, HF_TOKEN or `hf auth login`.
    FailedPrecondition if the hub refuses, Unavailable if it does not answer.
    """
    check_name(repo)
    api = HfApi()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    additions = [CommitOperationAdd(str(path.relative_to(folder)), path) for path in files]
    try:
        made = api.create_repo(repo, repo_type="dataset", private=private or None, exist_ok=True)
        api.create_commit(
            repo, additions, repo_type="dataset", commit_message="Dataset made by stillhouse"
        )
    except (HfHubHTTPError, OfflineModeIsEnabled, httpx2.TransportError, ValueError) as error:
        raise _failure(error, api.endpoint) from None
    except RuntimeError as error:  # an upload's, around its cause
        if not isinstance(error.__cause__, (HfHubHTTPError, httpx2.TransportError)):
            raise
        raise _failure(error.__cause__, api.endpoint) from None
    return str(made)


def _failure(error: Exception, endpoint: str) -> StillhouseError:
    if isinstance(error, OfflineModeIsEnabled):
        return FailedPrecondition("HF_HUB_OFFLINE is set, so nothing can be pushed")
    if isinstance(error, httpx2.TransportError):
        return Unavailable(f"{endpoint} does not answer: {_one_line(error)}")
    if not isinstance(error, HfHubHTTPError):  # its check of the card
        return FailedPrecondition(f"the hub refuses the card: {_one_line(error)}")
    status = error.response.status_code
    if status in (401, 403):
        return FailedPrecondition(
            f"the hub refuses the token ({status}); give one that may write, in HF_TOKEN or by "
            "`hf auth login`"
        )
    if status == 429 or status >= 500:
        return Unavailable(f"the hub answers {status}: {_one_line(error)}")
    return FailedPrecondition(f"the hub refuses ({status}): {_one_line(error)}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
