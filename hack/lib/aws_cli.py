"""For hack/aws: one process loads the AWS CLI, which takes most of a second, and forks for each command.

    aws_cli.py FOLDER serve               accepts commands at FOLDER/aws-cli
    aws_cli.py FOLDER aws ARGUMENT...     runs aws ARGUMENT...
    aws_cli.py FOLDER create-user NAME    creates an IAM user with the policy on standard input, and prints its access key id and
                                          secret access key. "@KEY@" in the policy stands for the ARN of the key of alias/sb-wrap.

A command has the working folder, the standard streams, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of its caller. The rest of its
environment is that of the serving process.
"""

import json
import os
import signal
import socket
import sys
import traceback

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def serve(folder):
    from awscli.clidriver import create_clidriver

    driver = create_clidriver()
    # The session keeps the descriptions of the services, and not these clients or keys.
    for service in ("iam", "kms"):
        driver.session.create_client(service, aws_access_key_id="none", aws_secret_access_key="none")
    os.chdir(folder)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind("aws-cli.new")
    listener.listen()
    os.rename("aws-cli.new", "aws-cli")
    # The kernel reaps the commands.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            execute(driver, connection)
        connection.close()


def execute(driver, connection):
    """Runs the command of a connection, sends its exit code and ends this process, without the clean-up of an interpreter, which
    would copy all memory that the processes share."""
    code = 1
    try:
        text, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
        request = json.loads(text)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.chdir(request["folder"])
        os.environ.update(request["keys"])
        match request["command"]:
            case ["aws", *arguments]:
                sys.exit(driver.main(arguments))
            case ["create-user", name]:
                create_user(driver.session, name, sys.stdin.read())
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        connection.send(str(code).encode())
        os._exit(code)


def create_user(session, name, policy):
    if "@KEY@" in policy:
        key = session.create_client("kms").describe_key(KeyId="alias/sb-wrap")["KeyMetadata"]["Arn"]
        policy = policy.replace("@KEY@", key)
    iam = session.create_client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    print(made["AccessKeyId"], made["SecretAccessKey"])


def run(folder, command):
    """Returns the exit code of a command."""
    request = {"command": command, "folder": os.getcwd(), "keys": {name: os.environ[name] for name in KEYS}}
    # The path of a socket has at most 107 characters, and that of the folder may have more.
    os.chdir(folder)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect("aws-cli")
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
        return int(connection.recv(16) or 1)


if __name__ == "__main__":
    folder, *command = sys.argv[1:]
    if command == ["serve"]:
        serve(folder)
    sys.exit(run(folder, command))
