"""Records how botocore parses shared configuration files: Tests/Vectors/aws-config/cases.json.

  python hack/lib/aws_config_vectors.py > Tests/Vectors/aws-config/cases.json

Run it with the interpreter of hack/setup. `read` is what botocore makes of both files, null where it refuses them.
"""

import json
import os
import sys
import tempfile

import botocore.session

KEYS = "aws_access_key_id = AKID\naws_secret_access_key = s/e+c=\n"

CASES = {
    # Indentation
    "all keys indented": ("[default]\n  region = eu-west-1\n  output = json\n", ""),
    "keys indented by tabs": ("[default]\n\tregion = eu-west-1\n\toutput = json\n", ""),
    "keys indented less and less": ("[default]\n    region = a\n  output = b\nx = c\n", ""),
    "the second key indented deeper goes on with the first": ("[default]\nregion = a\n  output = b\n", ""),
    "indented credentials": ("", "[default]\n  aws_access_key_id = AKID\n  aws_secret_access_key = secret\n"),
    "indented sections": ("  [profile a]\n  region = one\n  [profile b]\n  region = two\n", ""),
    "a section indented deeper than the key above is its value": ("[default]\nregion = a\n  [profile b]\n", ""),
    "indented first key, flush second": ("[default]\n  region = a\noutput = b\n", ""),
    "indented after a blank line": ("[default]\nregion = a\n\n  output = b\n", ""),
    "indented after a comment": ("[default]\nregion = a\n# c\n  output = b\n", ""),
    "mixed tabs and spaces count characters": ("[default]\n\tregion = a\n  output = b\n", ""),
    # Settings below a key
    "settings below a key": ("[default]\ns3 =\n  a = b\n  c = d\nregion = x\n", ""),
    "settings below an indented key": ("[default]\n  s3 =\n    a = b\n  region = x\n", ""),
    "settings below a key, with blanks and comments": ("[default]\ns3 =\n\n  a = b\n  # c = d\n\n  e = f\nregion = x\n", ""),
    "settings of several services": ("[default]\nservices = s\n[services s]\nkms =\n  endpoint_url = http://k\nsts =\n  endpoint_url = http://s\n", ""),
    "a setting below a key with a colon": ("[default]\ns3 =\n  a:b = c\n", ""),
    "no setting below a key": ("[default]\ns3 =\nregion = x\n", ""),
    "a line without = below a key": ("[default]\ns3 =\n  nonsense\n", ""),
    "a line with a colon alone below a key": ("[default]\ns3 =\n  a: b\n", ""),
    # Values
    "values that go on": ("[default]\ncredential_process = one\n  two\n    three\nregion = x\n", ""),
    "values that go on after a blank line": ("[default]\nx = one\n\n  two\n\nregion = y\n", ""),
    "values with delimiters": ("[default]\nx = a=b:c\ny: d=e\nz=f\n", ""),
    "empty values": ("[default]\nx =\ny=\nz:\n", ""),
    "quotes are a part of values": ("[default]\nx = \"a b\"\ny = 'c'\n", ""),
    "marks of comments inside words": ("[default]\nx = a#b\ny = a;b\nz = https://h/start#/\n", ""),
    "marks of comments in a command": ("[default]\ncredential_process = run --tag \"a # b\" ; c\n", ""),
    "white space of web pages": ("[default]\nregion\u00a0=\u00a0eu-west-1\u00a0\n\u2003output = json\n", ""),
    "keys in any case": ("[default]\nREGION = a\nOutPut = b\n", ""),
    "keys with spaces": ("[default]\na note = x\nregion = y\n", ""),
    "not ASCII": ("[profile \u00e9]\nx = \u00fc\n", ""),
    "percent signs and dollars stand for themselves": ("[default]\nx = %(y)s $HOME ${HOME} %\n", ""),
    # Lines
    "CRLF": ("[default]\r\nregion = a\r\ns3 =\r\n  b = c\r\n", ""),
    "CR alone": ("[default]\rregion = a\routput = b\r", ""),
    "no line end at the end": ("[default]\nregion = a", ""),
    "comments": ("# a\n; b\n[default]\n  # c\n  ; d\nregion = a\n#e\n", ""),
    "only comments": ("# a\n", "; b\n"),
    "a comment before the indented keys": ("[default]\n# c\n  region = a\n  output = b\n", ""),
    # Sections
    "a comment behind a section": ("[profile a] # c\nregion = a\n[profile b] ; d\nregion = b\n", ""),
    "something behind a section": ("[profile a] b\nregion = a\n", ""),
    "brackets in the name of a section": ("[profile [a]]\nregion = a\n", ""),
    "quoted names": ("[profile \"a b\"]\nregion = 1\n[profile 'c d']\nregion = 2\n[profile e\" \"f]\nregion = 3\n[profile g\\ h]\nregion = 4\n", ""),
    "names of two words": ("[profile a b]\nregion = 1\n[profile c]\nregion = 2\n", ""),
    "a quote without its partner": ("[profile \"a]\nregion = 1\n[profile b]\nregion = 2\n", ""),
    "spaces in a title": ("[profile   a]\nregion = 1\n[profile\tb]\nregion = 2\n[profile c ]\nregion = 3\n", ""),
    "profile without the word": ("[a]\nregion = 1\n[profile b]\nregion = 2\n", "[a]\n" + KEYS),
    "profile with the word in the credentials": ("", "[profile a]\n" + KEYS),
    "the word in another case": ("[Profile a]\nregion = 1\n[Default]\nregion = 2\n", ""),
    "sessions": ("[sso-session a]\nsso_region = x\n[sso-session \"b c\"]\nsso_region = y\n", ""),
    "defaults for all": ("[DEFAULT]\nregion = a\noutput = json\n[profile a]\nregion = b\n[profile c]\n", ""),
    "defaults alone": ("[DEFAULT]\nregion = a\n", ""),
    "defaults behind": ("[profile a]\nregion = b\n[DEFAULT]\noutput = json\n", ""),
    "defaults of the credentials": ("[profile a]\nregion = b\n", "[DEFAULT]\nregion = z\n[a]\n" + KEYS),
    "empty sections": ("[profile a]\n[profile b]\n", ""),
    "credentials win": ("[profile a]\nregion = one\noutput = json\n", "[a]\nregion = two\n" + KEYS),
    # Rejected
    "a setting before the first section": ("region = a\n[default]\noutput = b\n", ""),
    "a line that is nothing": ("[default]\nnonsense\nregion = a\n", ""),
    "a secret without its delimiter": ("", "[default]\naws_access_key_id = AKID\naws_secret_access_key secret\n"),
    "a value without a key": ("[default]\n= x\n", ""),
    "an open bracket": ("[default\nregion = a\n", ""),
    "empty brackets": ("[]\nregion = a\n", ""),
    "an open bracket with a delimiter is a key": ("[default]\n[region = a\noutput = b\n", ""),
    "a section twice": ("[profile a]\nregion = 1\n[profile a]\noutput = 2\n", ""),
    "a key twice": ("[default]\nregion = 1\nREGION = 2\n", ""),
    "a fault in another profile": ("[default]\nregion = a\n[profile b]\nnonsense\n", ""),
}


def read(config, credentials):
    with tempfile.TemporaryDirectory() as folder:
        for name, content in ("config", config), ("credentials", credentials):
            with open(f"{folder}/{name}", "w", newline="", encoding="utf-8") as file:
                file.write(content)
        os.environ["AWS_CONFIG_FILE"] = folder + "/config"
        os.environ["AWS_SHARED_CREDENTIALS_FILE"] = folder + "/credentials"
        try:
            full = botocore.session.Session(include_builtin_handlers=False).full_config
        except Exception:  # botocore rejects the file, by various exceptions
            return None
        services = {
            name: {key: value for key, value in values.items() if isinstance(value, dict)}
            for name, values in full.get("services", {}).items()
        }
        return {"profiles": full["profiles"], "sessions": full.get("sso_sessions", {}), "services": services}


def main():
    cases = [
        {"name": name, "config": config, "credentials": credentials, "read": read(config, credentials)}
        for name, (config, credentials) in CASES.items()
    ]
    json.dump(cases, sys.stdout, indent=1, ensure_ascii=True)
    print()


main()
