"""`prove`: the safe part of the contract against the real sandbox of a connection, told rule by rule.

It owns what may be asked of whom (never a production system), the agreement, and where results are kept. The rules are
`crm_bridge.testing.live`, which the extra `testing` brings: this module does without it until it is used.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from crm_bridge.cli.edge import WRONG, config_option, loaded
from crm_bridge.cli.joined import joined
from crm_bridge.contract import Adapter, CaseRef, InvalidConfig
from crm_bridge.kit.proof import LIVE_FOLDER, Proof, code_digest, write_proofs
from crm_bridge.registry import adapter_folder, declared_capabilities, load_adapter
from crm_bridge.settings import ConnectionSettings, Secret, Settings
from crm_bridge.store.services import services_for

SUITE = "crm_bridge.testing.live"
MAX_WAIT_S = 3600


@click.command()
@click.argument("connection")
@config_option
@click.option(
    "--case", "case", metavar="ID", help="The test case to use; else you are asked to open one, and it waits."
)
@click.option(
    "--wait",
    "wait_s",
    type=click.IntRange(1, MAX_WAIT_S),
    default=180,
    show_default=True,
    help="Seconds to wait for that case.",
)
@click.option("--listen", is_flag=True, help="Take the connection's webhooks meanwhile, where the bridge listens.")
@click.option("--send-to-case", "sends", is_flag=True, help="Also send a reply to the customer of the case.")
@click.option("--record", is_flag=True, help="Save what the CRM answered and told as samples, with nobody in them.")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("samples"),
    show_default=True,
    help="Where --record saves.",
)
@click.option("--yes", is_flag=True, help="Do not ask before it begins.")
def prove(connection: str, config: Path | None, into: Path, **asked: Any) -> None:
    """Prove an adapter on the sandbox behind CONNECTION.

    It reads, writes a test draft, and takes it away.
    Never on a connection whose environment is "production". Results are kept in data_dir and shown by adapters.
    """
    live = _suite()
    settings = loaded(config)
    wanted = _sandbox(settings, connection)
    given = Asked(into=into, **asked)
    with _runtime(settings, wanted) as (adapter, another), ExitStack() as running:
        run = _Run(live=live, settings=settings, wanted=wanted, asked=given, adapter=adapter, another=another)
        run.agree()
        results = run.through(running)
        run.keep(results)
    if any(result.outcome is live.Outcome.FAILED for result in results):
        raise SystemExit(WRONG)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked for on the command line."""

    case: str | None
    wait_s: int
    listen: bool
    sends: bool
    record: bool
    into: Path
    yes: bool


def _suite() -> Any:
    """The live rules. Raises `InvalidConfig` in one sentence where the extra is missing."""
    try:
        return import_module(SUITE)
    except ImportError as error:
        expected = f"expected the extra testing ({error.name} is missing): pip install 'crm-bridge[testing]'"
        raise InvalidConfig("prove", expected) from error


def _sandbox(settings: Settings, name: str) -> ConnectionSettings:
    """The connection, when it may be written to. Raises `InvalidConfig`."""
    wanted = settings.connections.get(name)
    if wanted is None:
        known = ", ".join(sorted(settings.connections)) or "none"
        raise InvalidConfig("CONNECTION", f"expected a configured connection ({known})")
    if wanted.environment == "production":
        path = f"connections.{name}.environment"
        expected = 'expected "sandbox": prove writes into the CRM, and never into a production one'
        raise InvalidConfig(path, expected, settings.locate(path))
    return wanted


@contextmanager
def _runtime(settings: Settings, wanted: ConnectionSettings) -> Iterator[tuple[Adapter, Callable[[], Adapter]]]:
    """The connection's adapter with the bridge's own services, and how to build one more, as another process would."""
    name = wanted.name
    with joined(settings) as runtime:

        def another() -> Adapter:
            services = services_for(
                runtime.store, connection=name, public_url=settings.public_url, network=settings.network
            )
            return load_adapter(wanted.adapter, wanted.adapter_config, settings.public_url, services)

        yield runtime.connections[name].adapter, another


@dataclass(kw_only=True)
class _Run:
    """One run, from the agreement to the record."""

    live: Any
    settings: Settings
    wanted: ConnectionSettings
    asked: Asked
    adapter: Adapter
    another: Callable[[], Adapter]
    stage: Any = None
    tape: Any = None
    listener: Any = None

    @property
    def checks(self) -> Sequence[Any]:
        """The rules that were asked for."""
        found: Sequence[Any] = self.live.CHECKS_THAT_SEND if self.asked.sends else self.live.CHECKS
        return found

    def agree(self) -> None:
        """Say what will be touched, and ask. Raises `InvalidConfig` where nobody can be asked."""
        has = self.adapter.capabilities
        if self.asked.case is None and not has.reconcile:
            raise InvalidConfig("--case", f"expected a case: {self.wanted.adapter} finds none by itself (no reconcile)")
        click.echo(f"In the {self.wanted.environment} behind {self.wanted.name} (adapter {self.wanted.adapter}):")
        for line in self.live.will_touch(has, self.checks):
            click.echo(f"  {line}")
        if self.asked.yes:
            return
        if not sys.stdin.isatty():
            raise InvalidConfig("--yes", "expected it, because nobody can be asked here")
        click.confirm("Go on?", abort=True)

    def through(self, running: ExitStack) -> Sequence[Any]:
        """Run the rules, telling each."""
        self.tape = self.live.Tape()
        if self.asked.record:
            running.enter_context(self.tape.listening())
        if self.asked.listen:
            self.listener = self._listener()
            running.enter_context(self.listener.listening())
        self.stage = self.live.LiveStage(
            adapter=self.adapter,
            another=self.another,
            case=CaseRef(id=self.asked.case) if self.asked.case is not None else None,
            wait_s=float(self.asked.wait_s),
            say=click.echo,
            deliveries=self.listener.deliveries if self.listener is not None else None,
        )
        results: Sequence[Any] = self.live.run(self.stage, self.checks, _tell, self._during)
        return results

    def _listener(self) -> Any:
        where = self.settings.listen
        try:
            return self.live.Listener(self.adapter, self.wanted.name, where.host, where.port)
        except OSError as error:
            expected = (
                f"expected a free address for --listen, not {where} ({error.strerror}): stop the bridge meanwhile"
            )
            raise InvalidConfig("listen", expected) from error

    def keep(self, results: Sequence[Any]) -> None:
        """Keep the proof in the data directory, and samples where they were asked for; say where."""
        config = self.wanted.adapter_config
        folder = adapter_folder(self.wanted.adapter)
        proof: Proof = self.live.live_proof(
            results,
            code=code_digest(folder) if folder is not None else "",
            api_version=str(config.get("api_version", "")),
        )
        declared = declared_capabilities(self.wanted.adapter)
        variant = self.live.variant_of(self.adapter.capabilities, declared, config)
        file = self.settings.data_dir / LIVE_FOLDER / f"{self.wanted.name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_proofs(file, self.wanted.adapter, {variant: proof})
        click.echo(_counted([result.outcome.value for result in results]))
        click.echo(f"Kept in {file}; crm-bridge adapters {self.wanted.adapter} shows it.")
        if self.asked.record:
            redactor = self.live.Redactor(self.stage.read, secrets_of(config))
            told = self.listener.deliveries() if self.listener is not None else ()
            count = self.tape.write(self.asked.into, redactor, told)
            click.echo(f"{count} samples in {self.asked.into}. Read them before you share them.")

    def _during(self, name: str) -> None:
        self.tape.during = name


def secrets_of(config: Any) -> list[str]:
    """Every secret of a connection's table, resolved."""
    if isinstance(config, Secret):
        return [str(config)]
    inner = config.values() if hasattr(config, "values") else config if isinstance(config, list | tuple) else ()
    return [secret for one in inner for secret in secrets_of(one)]


def _tell(result: Any) -> None:
    said = f" ({result.said})" if result.outcome.value == "passed" and result.said else ""
    why = f": {result.said}" if result.outcome.value != "passed" else ""
    click.echo(f"{result.outcome.value:<18}{result.check.sentence}{said}{why}")


def _counted(outcomes: Sequence[str]) -> str:
    counts = [(outcomes.count(one), one) for one in ("passed", "failed", "not possible here")]
    return f"{', '.join(f'{count} {one}' for count, one in counts)}."
