"""Writes man pages from the program's help: one for the program and one for each command.

    secrets-bridge --experimental-dump-help | manual.py FOLDER --version VERSION --date EPOCH

In a command's discussion, indented lines are examples, and the text after "Exit codes:" becomes the section EXIT STATUS.
"""

import argparse
import datetime
import json
import os
import re
import sys

PROGRAM = "secrets-bridge"
USE_KEYS = {"recipient export", "wrap", "unwrap", "create", "edit", "set", "unset", "rotate-value", "exec", "move", "rewrap", "verify", "diff", "import", "doctor",
            "git-diff", "git-merge", "controller"}
EXIT_CODES = "0 done; 1 failed, with one line on standard error; 64 wrong usage"
KEYS = [("SB_KMS_BACKEND and the settings of the backend", f"The settings of the keys; see {PROGRAM}(1).")]
ALL_KEYS = [
    ("SB_KMS_BACKEND", "local (the default), vault-transit, aws-kms, gcp-kms or azure-key-vault. In a comma-separated list, "
                       "the first wraps and all unwrap."),
    ("SB_WRAP_MASTER_KEY, SB_WRAP_MASTER_KEYS_PREVIOUS", "For local: 32 bytes in base64; with the suffix _FILE, the path of a "
                                                         "file with it."),
    ("SB_KMS_VAULT_ADDR, SB_KMS_VAULT_KEY, ...", "Settings of vault-transit."),
    ("SB_KMS_AWS_KEY_ID, SB_KMS_AWS_REGION, ...", "Settings of aws-kms."),
    ("SB_KMS_GCP_KEY, SB_KMS_GCP_KEYS_PREVIOUS, ...", "Settings of gcp-kms. Credentials are Application Default Credentials."),
    ("SB_KMS_AZURE_VAULT_URL, SB_KMS_AZURE_KEY, ...", "Settings of azure-key-vault. Credentials are those of AZURE_* variables, "
                                                      "of a managed identity, or of the Azure CLI."),
    ("NO_COLOR", "If not empty, turns colours off."),
]
KUBECONFIG = ("KUBECONFIG", "Kubeconfig files, separated by colons; used without --kubeconfig.")
ENVIRONMENT = {
    "create": [("VISUAL, EDITOR", "The editor with its arguments; defaults to vi.")],
    "edit": [("VISUAL, EDITOR", "The editor with its arguments; defaults to vi.")],
    "git-diff": [("GIT_PAGER_IN_USE", "Set by git for its pager; turns colours on.")],
    "controller": [("POD_NAMESPACE", "The namespace of the lease.")],
}


def escape(text):
    """Escapes text for roff, so that no line is a request and - is the character that users type and copy."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    for plain, name in (("'", "aq"), ("`", "ga"), ("^", "ha"), ("~", "ti")):
        text = text.replace(plain, f"\\({name}")
    # Long lists without spaces may be broken after a comma.
    text = re.sub(r",(?=\S)", r",\\:", text)
    return f"\\&{text}" if text.startswith(".") else text


def paragraphs(discussion):
    """Yields (is example, text) for each block."""
    for block in re.split(r"\n[ \t]*\n", discussion.strip("\n")):
        if block.strip():
            lines = block.split("\n")
            is_example = all(line.startswith("  ") for line in lines)
            yield is_example, "\n".join(line[2:] for line in lines) if is_example else " ".join(lines)


def split_exit_codes(text):
    match = re.search(r"\s*Exit codes: (.*?)\.(?=\s|$)", text)
    return (text[:match.start()] + text[match.end():], match[1]) if match else (text, None)


class Page:
    def __init__(self, name, abstract, options):
        date = datetime.datetime.fromtimestamp(options.date, datetime.timezone.utc).strftime("%Y-%m-%d")
        self.lines = [f'.TH "{name.upper()}" "1" "{date}" "{PROGRAM} {options.version}" "Secrets Bridge"']
        # No hyphenation of names and no stretched lines.
        self.lines += [".nh", ".ad l"]
        self.section("NAME")
        self.lines.append(f"{escape(name)} \\- {escape(abstract.rstrip('.'))}")

    def section(self, title):
        self.lines.append(f".SH {title}")

    def separate(self):
        """Separates paragraphs; the first of a section needs no macro."""
        if not self.lines[-1].startswith(".SH "):
            self.lines.append(".PP")

    def paragraph(self, text):
        self.separate()
        self.lines.append(escape(text))

    def example(self, text):
        self.separate()
        self.lines += [".RS 4", ".nf", *(escape(line) for line in text.split("\n")), ".fi", ".RE"]

    def tagged(self, tag, text):
        """Adds a tagged paragraph; `tag` is roff."""
        self.lines += [".TP", tag, escape(text)]

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(self.lines) + "\n")


def typed(name):
    return ("--" if name["kind"] == "long" else "-") + name["name"]


def value(argument):
    return "" if argument["kind"] == "flag" else f" \\fI{escape(argument['valueName'])}\\fR"


def synopsis(arguments):
    parts = []
    for argument in arguments:
        # Options of every command.
        if argument.get("valueName") in ("version", "help"):
            continue
        if argument["kind"] == "positional":
            part = f"\\fI{escape(argument['valueName'])}\\fR"
            part = f"\\fB\\-\\-\\fR {part}" if argument["parsingStrategy"] == "postTerminator" else part
        else:
            part = f"\\fB{escape(typed(argument['preferredName']))}\\fR{value(argument)}"
        part = f"[{part}]" if argument["isOptional"] else part
        parts.append(part + (" ...\\&" if argument["isRepeating"] else ""))
    return parts


def describe(argument):
    text = argument.get("abstract", "")
    if argument.get("allValues") and not all(word in text for word in argument["allValues"]):
        text += f" One of {', '.join(argument['allValues'])}."
    if argument.get("defaultValue"):
        text += f" Default: {argument['defaultValue']}."
    return text


def arguments_section(page, title, arguments):
    if not arguments:
        return
    page.section(title)
    for argument in arguments:
        names = [f"\\fB{escape(typed(name))}\\fR" for name in sorted(argument.get("names", []), key=lambda name: len(typed(name)))]
        page.tagged((", ".join(names) + value(argument)).strip(), describe(argument))


def page_name(command_name):
    """Returns the name of the page of a command: secrets-bridge-recipient-export for recipient export."""
    return f"{PROGRAM}-{command_name.replace(' ', '-')}"


def flattened(commands):
    """Yields the commands that do something, with the names of commands of commands in full."""
    for command in commands:
        subcommands = [each for each in command.get("subcommands", []) if each["commandName"] != "help"]
        if not subcommands:
            yield command
        for subcommand in flattened(subcommands):
            yield subcommand | {"commandName": f"{command['commandName']} {subcommand['commandName']}"}


def write_page(command, names, options):
    """Writes the page of a command. `names` lists all commands, for SEE ALSO and the program's own page."""
    is_program = command["commandName"] == PROGRAM
    name = PROGRAM if is_program else page_name(command["commandName"])
    page = Page(name, command["abstract"], options)
    arguments = [argument for argument in command.get("arguments", []) if argument["shouldDisplay"]]

    page.section("SYNOPSIS")
    page.lines.append(f".HP {len(name) + 1}")
    page.lines.append(f"\\fB{escape(PROGRAM if is_program else PROGRAM + ' ' + command['commandName'])}\\fR")
    page.lines += ["\\fIcommand\\fR [\\fIargument\\fR ...]"] if is_program else synopsis(arguments)

    page.section("DESCRIPTION")
    page.paragraph(command["abstract"])
    examples, codes, opens_example = [], None, False
    for is_example, text in paragraphs(command.get("discussion", "")):
        if not is_example:
            text, found = split_exit_codes(text)
            codes = found or codes
            opens_example = text.rstrip().endswith(":")
            if text.strip():
                page.paragraph(text.strip())
        elif opens_example:
            page.example(text)
        else:
            examples.append(text)
    if is_program:
        page.paragraph("As kubectl-wrappedsecret on the PATH it is a kubectl plugin: kubectl wrappedsecret.")
        page.section("COMMANDS")
        for subcommand in command["subcommands"]:
            if subcommand["commandName"] in names:
                page.tagged(f".BR {escape(page_name(subcommand['commandName']))} (1)", subcommand["abstract"])

    arguments_section(page, "ARGUMENTS", [argument for argument in arguments if argument["kind"] == "positional"])
    arguments_section(page, "OPTIONS", [argument for argument in arguments if argument["kind"] != "positional"])

    page.section("EXIT STATUS")
    for item in (codes or EXIT_CODES).split("; "):
        match = re.fullmatch(r"(\d+) (.*)", item)
        text = match[2] if match else item
        page.tagged(f"\\fB{match[1] if match else 'other'}\\fR", text[0].upper() + text[1:] + ".")

    environment = (ALL_KEYS if is_program else KEYS if command["commandName"] in USE_KEYS else []) + ENVIRONMENT.get(command["commandName"], [])
    reaches_cluster = any(argument.get("valueName") == "kubeconfig" for argument in arguments)
    if reaches_cluster:
        environment = environment + [KUBECONFIG]
    if environment:
        page.section("ENVIRONMENT")
        for variable, meaning in environment:
            page.tagged(f"\\fB{escape(variable)}\\fR", meaning)

    if examples:
        page.section("EXAMPLES")
        for example in examples:
            page.example(example)

    page.section("SEE ALSO")
    others = [other for other in names if other != command["commandName"]] if is_program else []
    pages = [f".BR {escape(page_name(other))} (1)" for other in others] or [f".BR {escape(PROGRAM)} (1)"]
    if reaches_cluster:
        pages.append(".BR kubectl (1)")
    if command["commandName"].startswith("git-"):
        pages.append(".BR gitattributes (5)")
    page.lines += [line + " ," for line in pages[:-1]] + pages[-1:]
    page.paragraph("https://github.com/secrets-bridge/secrets-bridge has the documentation of every setting.")
    page.write(os.path.join(options.folder, f"{name}.1"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--version", required=True)
    parser.add_argument("--date", type=int, required=True)
    options = parser.parse_args()
    program = json.load(sys.stdin)["command"]
    # The parser's own help command.
    commands = list(flattened(command for command in program["subcommands"] if command["commandName"] != "help"))
    program["subcommands"] = commands
    names = [command["commandName"] for command in commands]
    os.makedirs(options.folder, exist_ok=True)
    for command in [program, *commands]:
        write_page(command, names, options)


if __name__ == "__main__":
    main()
