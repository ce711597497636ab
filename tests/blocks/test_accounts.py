"""The account of a command that names none: of the environment, of a file, or the local cloud's."""

from pathlib import Path

import pytest

from blocks.accounts import VARIABLES, choose_account
from blocks.settings import user_kubeconfig
from clients.qingcloud import DEFAULT_ENDPOINT
from domain.kernel.errors import InvalidSpec

FILE = "qy_access_key_id: KEY\nqy_secret_access_key: SECRET\nzone: pek3\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (*VARIABLES, "QINGCLOUD_ENDPOINT", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def write(home: Path, text: str) -> None:
    file = home / ".qingcloud" / "config.yaml"
    file.parent.mkdir()
    file.write_text(text, encoding="utf-8")


def test_the_file_of_qingcloud_s_command_line_is_used_and_named(home: Path) -> None:
    write(home, FILE)
    chosen = choose_account(None)
    account = chosen.account
    assert (account.zone, account.access_key_id) == ("pek3", "KEY")
    assert account.secret_access_key.get_secret_value() == "SECRET"
    assert account.endpoint == DEFAULT_ENDPOINT
    assert account.bills
    assert chosen.description.startswith(f"that of {home}/.qingcloud/config.yaml, ")


def test_the_environment_goes_before_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, FILE)
    for name, value in zip(VARIABLES, ("OTHER\n", " secret ", "gd2"), strict=True):
        monkeypatch.setenv(name, value)
    account = choose_account(None).account
    assert (account.access_key_id, account.zone) == ("OTHER", "gd2")
    assert account.secret_access_key.get_secret_value() == "secret"


def test_an_endpoint_of_the_file_is_used(home: Path) -> None:
    write(home, FILE + "host: api.example.cn\nport: 7777\nprotocol: http\n")
    assert choose_account(None).account.endpoint == "http://api.example.cn:7777/iaas/"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("zone: pek3\n", "has no qy_access_key_id and no qy_secret_access_key"),
        ("[", "is not valid YAML"),
        (f"{FILE}zone: gd2\n", 'duplicate key "zone"'),
    ],
)
def test_an_incomplete_file_is_refused(home: Path, text: str, words: str) -> None:
    write(home, text)
    with pytest.raises(InvalidSpec, match=r"config\.yaml") as caught:
        choose_account(None)
    assert words in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_the_kubeconfig_is_the_one_that_kubectl_changes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert user_kubeconfig() == home / ".kube" / "config"
    first, second = home / "first", home / "second"
    monkeypatch.setenv("KUBECONFIG", f"{first}:{second}")
    assert user_kubeconfig() == first
    second.touch()
    assert user_kubeconfig() == second
