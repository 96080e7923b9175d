"""The man page and the completions are what `man`, bash, zsh and fish make something of.

shells.py LOBOS: each shell loads what `--generate` prints, and is asked what may follow.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

BASH = """
source {file}
COMP_WORDS=({words}) COMP_CWORD={last} COMPREPLY=()
complete -p lobos >/dev/null
_lobos lobos "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""

# A terminal in a terminal: zsh completes only where it edits a line.
ZSH = """
zmodload zsh/zpty
zpty shell 'PS1=READY zsh -f -i'
zpty -r shell seen '*READY*'
zpty -w shell 'fpath=({home} $fpath); autoload -U compinit; compinit -u -d {home}/dump; echo DO''NE'
zpty -r shell seen '*DONE*'
zpty -n -w shell $'{words}\\t\\t'
zpty -r -t shell seen; for i in {{1..100}}; do
    zpty -r -t shell more && seen+=$more
    [[ $seen == *{wanted}* ]] && break
    sleep 0.1
done
print -r -- "$seen"
"""


def said(command: list[str], **more) -> str:
    """What a command prints, if it has nothing to complain about."""
    more.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **more)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    assert not done.stderr, f"{command}: {done.stderr}"
    return done.stdout


def bash(home: Path, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    quoted = " ".join(f"'{word}'" for word in words)
    script = BASH.format(file=home / "complete-bash", words=quoted, last=len(words) - 1)
    return said(["bash", "--norc", "-c", script]).split()


def check_bash(home: Path) -> None:
    """Flags, and values of flags."""
    assert bash(home, "lobos", "--ru") == ["--runtime"]
    assert bash(home, "lobos", "--runtime", "") == ["mio", "tokio", "smol"]
    assert bash(home, "lobos", "--dir", "photos", "--durability", "d") == ["disk"]
    assert {"--dir", "--root", "--port", "-p"} <= set(bash(home, "lobos", "-"))


def check_zsh(home: Path) -> None:
    """Zsh finds the file by its name, and completes."""
    (home / "_lobos").write_text((home / "complete-zsh").read_text())
    for words, wanted in (("lobos --runt", "--runtime"), ("lobos --runtime sm", "smol")):
        script = ZSH.format(home=home, words=words, wanted=wanted)
        env = os.environ | {"TERM": "dumb", "HOME": str(home)}
        assert wanted in said(["zsh", "-f", "-c", script], env=env)


def check_fish(home: Path) -> None:
    """Fish says each with its help."""
    env = os.environ | {"HOME": str(home)}
    for words, wanted in (("lobos --ru", "--runtime"), ("lobos --runtime sm", "smol")):
        script = f"source {home}/complete-fish; complete -C '{words}'"
        lines = said(["fish", "--no-config", "-c", script], env=env).splitlines()
        assert [line.split("\t")[0].split("=")[0] for line in lines] == [wanted], lines


def check_man(home: Path) -> None:
    """Nothing in it is wrong to groff, and it reads as it should."""
    env = os.environ | {"MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MANROFFOPT": "-ww"}
    page = said(["man", "--warnings=all", "-l", str(home / "man")], env=env)
    for line in (
        "NAME",
        "       lobos - Makes any directory an S3 bucket",
        "EXAMPLES",
        "         lobos --dir photos                    the folder photos is the bucket photos",
    ):
        assert line in page.splitlines(), f"{line!r} in {page}"
    assert "LOBOS_RUNTIME" in page


def main() -> None:
    """Generates everything, then lets each program have it."""
    lobos = str(Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as home:
        for what in ("man", "complete-bash", "complete-zsh", "complete-fish"):
            # Whatever a service has set does not matter.
            env = {"LOBOS_DIR": "/nowhere", "LOBOS_LISTEN": "0.0.0.0"}
            Path(home, what).write_text(said([lobos, "--generate", what], env=env))
        for check in (check_bash, check_zsh, check_fish, check_man):
            check(Path(home))


main()
