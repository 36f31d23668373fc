"""What a judge takes, and what of it is refused before anything is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from ....endpoints import DEFAULT_KEY, check_url, check_variable, is_local, secret
from ....errors import ConfigError

_MOST_VOTES, _MOST_AT_ONCE, _LONGEST_RUBRIC = 15, 64, 20_000


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """
    Raises:
        ConfigError: one of them is missing or impossible. No message has a value that may be a key.
    """

    model: str = ""
    """Its name at the endpoint."""
    url: str = ""
    """Of an OpenAI-compatible endpoint, with `/v1`."""
    n: int = 3
    """Votes in each order, odd: both orders weigh the same, and neither can tie by itself."""
    key: str = DEFAULT_KEY
    """Name of the environment variable that holds the key."""
    rubric: str = ""
    """A file; what a question's own rubric does not say, it says for all."""
    temperature: float = 0.7
    """Of several votes; a single one in each order is taken at 0."""
    tokens: int = 1024
    """Most that a reply may have, with what a model thinks before it."""
    deadline: float = 60.0
    """Seconds for all votes about one completion, retries included."""
    concurrency: int = 8
    """Requests at once."""

    def __post_init__(self) -> None:
        if not self.model:
            raise ConfigError("judge: no model; such as judge?model=NAME&url=http://127.0.0.1:8000/v1")
        check_url(self.url, "judge: url=")
        if not 1 <= self.n <= _MOST_VOTES or self.n % 2 == 0:
            raise ConfigError(f"judge: n={self.n}; expected an odd number from 1 to {_MOST_VOTES}")
        check_variable(self.key, "judge: key=")
        if not 0 < self.temperature <= 2:
            raise ConfigError(
                f"judge: temperature={self.temperature:g}; expected more than 0 and at most 2: "
                "at 0 several votes are one"
            )
        if not 16 <= self.tokens <= 100_000:
            raise ConfigError(f"judge: tokens={self.tokens}; expected 16 to 100000")
        if not 0.01 <= self.deadline <= 3600:
            raise ConfigError(f"judge: deadline={self.deadline:g}; expected 0.01 to 3600 seconds")
        if not 1 <= self.concurrency <= _MOST_AT_ONCE:
            raise ConfigError(f"judge: concurrency={self.concurrency}; expected 1 to {_MOST_AT_ONCE}")

    @property
    def local(self) -> bool:
        """Whether the endpoint is on this machine."""
        return is_local(self.url)

    def secret(self) -> SecretStr:
        """The key, empty where there is none.

        Raises:
            ConfigError: the variable is not set, or holds what cannot be a key.
        """
        return secret(self.url, self.key, "judge: key=")

    def general_rubric(self) -> str:
        """What the file says; empty where none is named.

        Raises:
            ConfigError: it cannot be read, is empty or too long.
        """
        if not self.rubric:
            return ""
        try:
            text = Path(self.rubric).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise ConfigError(f"judge: rubric={self.rubric}: cannot be read ({error})") from error
        if not 0 < len(text) <= _LONGEST_RUBRIC:
            raise ConfigError(
                f"judge: rubric={self.rubric}: {len(text)} characters; expected 1 to {_LONGEST_RUBRIC}"
            )
        return text
