"""The list of commands. Each is imported when it is run, so that `picomesh --help` is quick."""

from __future__ import annotations

import importlib

import click

from picomesh import __version__

# name: (module, attribute, one line of help)
COMMANDS = {
    "run": ("run", "run", "Try a ruleset: events and queries on a pico that lives only now."),
    "check": ("check", "check", "Say everything that is wrong in rulesets."),
    "fuel": ("fuel", "fuel", "Show which lines of a ruleset the fuel of an event goes to."),
    "compile": ("compile", "compile_", "Turn a ruleset into a WebAssembly module."),
    "new": ("picos", "new", "Make a pico."),
    "install": ("picos", "install", "Install a ruleset on a pico."),
    "uninstall": ("picos", "uninstall", "Remove a ruleset and all it stored."),
    "send": ("picos", "send", "Send an event to a pico."),
    "query": ("picos", "query", "Ask a function that a ruleset shares."),
    "engine": ("engine", "engine", "Serve the picos of a home over HTTP."),
    "logs": ("logs", "logs", "Show what a pico's rules logged."),
    "list": ("picos", "list_", "List the picos of a home."),
    "log": ("history", "log", "List the receipts of a pico."),
    "show": ("history", "show", "Show a pico, or one of its receipts."),
    "verify": ("history", "verify", "Check every stored byte of a home's histories."),
    "replay": ("replay", "replay", "Run histories again and compare."),
    "export": ("export", "export", "Write histories to a file."),
    "import": ("export", "import_", "Take exported histories into a home."),
    "import-engine": (
        "import_engine",
        "import_engine",
        "Bring picos of a reference engine into a home.",
    ),
    "prove": ("prove", "prove", "Write the proof of one receipt."),
    "audit": ("prove", "audit", "Check a proof, with nothing but the file."),
    "verifier": ("verifier", "verifier", "Write the page that audits proofs in a browser."),
    "bisect": ("bisect", "bisect", "Find where two histories part."),
    "evidence": ("evidence", "evidence", "Prove that an engine signed two histories."),
    "at": ("past", "at", "Show a pico as it was."),
    "fork": ("past", "fork", "Run real events under an edited ruleset."),
    "scenario": ("scenario", "scenario", "Run recorded cases on a virtual clock."),
    "demo": ("demo", "demo", "See the whole of it in a few seconds."),
    "bench": ("bench", "bench", "Measure this machine."),
}


class LazyGroup(click.Group):
    """Knows its commands by name and line of help, and imports the one that is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        found = getattr(importlib.import_module(f"picomesh.cli.{module}"), attribute)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        import difflib

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {near[0]}?" if near else "`picomesh --help` lists the commands"
            ctx.fail(f"there is no command {args[0]}; {hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="picomesh %(version)s")
def picomesh() -> None:
    """Picos: persistent compute objects on hosts nobody needs to trust.

    A ruleset (KRL) compiles to a WebAssembly module. An event to a pico is one atomic,
    deterministic transition, metered by fuel, and leaves a signed receipt that anyone can check
    by running it again.

    \b
    Begin with:
      picomesh demo
      picomesh run hello.krl --event hello:world --attr name=Ada

    Exit codes: 0 done, 1 the answer is no, 2 used wrongly, 3 a defect of picomesh.
    """
