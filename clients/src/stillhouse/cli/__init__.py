"""The `stillhouse` command; each subcommand has its file here."""

from __future__ import annotations

from typing import Any

import click

from stillhouse.cli.agreement import agreement
from stillhouse.cli.calibrate import calibrate
from stillhouse.cli.corpus import corpus
from stillhouse.cli.evaluate import evaluate
from stillhouse.cli.experiment import experiment
from stillhouse.cli.export import export
from stillhouse.cli.index import index
from stillhouse.cli.lineage import lineage
from stillhouse.cli.perplexity import perplexity
from stillhouse.cli.prepare import prepare
from stillhouse.cli.quality import quality
from stillhouse.cli.run import run
from stillhouse.cli.verdicts import funnel, inspect, rethreshold
from stillhouse.errors import StillhouseError
from stillhouse.local.interrupt import terminate_as_interrupt


class _Commands(click.Group):
    """A group whose errors are one line on standard error."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except StillhouseError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(2)
        except BrokenPipeError:  # whoever read the output has enough of it
            raise
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            click.echo(f"error: {where}{error.strerror or error}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            ctx.exit(130)


@click.group(cls=_Commands)
@click.version_option(package_name="stillhouse")
def main() -> None:
    """Distil small language models from poor ones, and ask n-gram indexes."""
    terminate_as_interrupt()


# A new subcommand: its own file beside this one, and its name here.
for command in (
    agreement, calibrate, corpus, evaluate, experiment, export, funnel, index, inspect, lineage,
    perplexity, prepare, quality, rethreshold, run,
):  # fmt: skip
    main.add_command(command)
