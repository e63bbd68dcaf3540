"""For hack/aws: creates an IAM user with a policy and prints its access key id and secret access key.

    aws_user.py NAME < POLICY

One process for what takes the aws command four, each of which loads for most of a second. "@KEY@" in the policy stands for the
ARN of the key of alias/sb-wrap. The settings come from the environment, as for aws.
"""

import sys

import botocore.session

session = botocore.session.get_session()
name, policy = sys.argv[1], sys.stdin.read()
if "@KEY@" in policy:
    key = session.create_client("kms").describe_key(KeyId="alias/sb-wrap")["KeyMetadata"]["Arn"]
    policy = policy.replace("@KEY@", key)
iam = session.create_client("iam")
iam.create_user(UserName=name)
iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy)
made = iam.create_access_key(UserName=name)["AccessKey"]
print(made["AccessKeyId"], made["SecretAccessKey"])
