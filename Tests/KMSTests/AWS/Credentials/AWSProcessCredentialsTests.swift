import Foundation
import System
import Testing

@testable import KMS

@Suite(.timeLimit(.minutes(5)))
struct AWSProcessCredentialsTests {
    private func source(_ command: String, deadline: Duration = .seconds(60)) -> AWSProcessCredentials {
        AWSProcessCredentials(
            name: "profile a: credential_process", command: command,
            environment: ["PATH": "relative:/usr/bin:/bin", "GREETING": "hello"], deadline: deadline)
    }

    private func failure(_ command: String, deadline: Duration = .seconds(60)) async -> AWSCredentialsError? {
        await awsError { () throws(AWSCredentialsError) in
            try await source(command, deadline: deadline).credentials()
        }
    }

    @Test func readsTemporaryAndPermanentKeys() async throws {
        let temporary = try await source(
            #"printf '{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "s", "SessionToken": "t", "#
                + #""Expiration": "2026-01-02T03:04:05Z"}'"#
        ).credentials()
        #expect(temporary?.accessKeyID == "A")
        #expect(temporary?.sessionToken?.text == "t")
        #expect(temporary?.expiration?.timeIntervalSince1970 == 1_767_323_045)
        let lasting = try await source(
            #"sh -c 'echo "{\"Version\":1,\"AccessKeyId\":\"$GREETING\",\"SecretAccessKey\":\"s\"}"'"#
        ).credentials()
        #expect(lasting?.accessKeyID == "hello")
        #expect(lasting?.expiration == nil)
    }

    @Test(arguments: [
        ("no-such-program", "there is no such program"), ("/etc/passwd", "there is no such program"),
        ("'", "a quote that is not closed"),
        ("printf '{}'", #"a JSON object with "Version": 1"#), ("echo SECRETTEXT", #"a JSON object"#),
        (#"printf '{"Version": 2, "AccessKeyId": "A", "SecretAccessKey": "s"}'"#, #"a JSON object"#),
        ("cat /dev/zero", "more than 65536 bytes"),
    ])
    func reportsMisconfiguredPrograms(_ command: String, _ problem: String) async {
        let error = await failure(command)
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains(problem) == true)
        #expect(error?.message.contains("SECRETTEXT") == false)
    }

    @Test func reportsTransientFailures() async {
        let exit = await failure("sh -c 'echo SECRETTEXT; echo a message of the test >&2; exit 3'")
        #expect(exit?.code == .unavailable)
        #expect(
            exit?.message
                == "profile a: credential_process: sh ended with exit code 3; see its messages on standard error"
        )
        let hangs = await failure("sh -c 'sleep 600 & sleep 600'", deadline: .milliseconds(100))
        #expect(hangs?.code == .unavailable)
        #expect(hangs?.message.contains("was killed") == true)
        let incomplete = await failure(#"printf '{"Version": 1, "AccessKeyId": "A"}'"#)
        #expect(incomplete?.message == "profile a: credential_process: the response has no SecretAccessKey")
    }

    @Test(arguments: [
        ("a  b\tc", ["a", "b", "c"]), ("'a b' \"c d\"e", ["a b", "c de"]), (#"a\ b \"c "#, ["a b", "\"c"]),
        (#""a\"b\\c\d" 'e\f'"#, [#"a"b\c\d"#, #"e\f"#]), ("'' \"\"", ["", ""]), ("", []),
        ("$HOME `id` ;&|*", ["$HOME", "`id`", ";&|*"]), ("one\ntwo", ["one", "two"]),
    ])
    func splitsWordsLikeAShell(_ line: String, _ words: [String]) {
        #expect(ShellWords.split(line) == words)
    }
}
