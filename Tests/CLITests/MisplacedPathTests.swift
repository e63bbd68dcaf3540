import CLI
import Testing

/// A value in place of the path of a file.
@Suite struct MisplacedPathTests {
    private func message(_ path: String, _ arguments: [String]) -> String {
        InputError(unreadable: path, "No such file or directory", arguments: arguments).description
    }

    @Test(arguments: [
        "hunter2", "horse", "S3cret!", ".hunter2", "pass.Word", "correct horse", "eyJhbGciOi.eyJz.c2ln",
        "R29vZCBkYXksIGRlYXIgcmVhZGVyIG9mIHRlc3RzMTIz/R29vZCBkYXk=", String(repeating: "s", count: 300),
    ])
    func doesNotShowWhatIsNoPath(value: String) {
        for (arguments, place) in [
            (["wrap", "--docker-password-file", value], 3),
            (["wrap", "--from-file", "password=\(value)"], 3),
            (["wrap", value, "x"], 2),
        ] {
            let message = message(value, arguments)
            #expect(!message.contains(value), "\(message)")
            #expect(
                message
                    == "the argument in place \(place) cannot be read as a file (No such file or directory), and is not "
                    + "shown, as it may be a value; give the path of a file")
        }
    }

    @Test(arguments: [
        "/nonexistent/secret", "certs/ca", "./key", "db.yaml", "tls.key", "a.b.json5", "archive.tar.gz",
    ])
    func showsPaths(path: String) {
        #expect(message(path, ["wrap", path]) == "cannot read \(path): No such file or directory")
    }

    @Test func showsNamesThatAreNoArguments() {
        #expect(message("team", ["wrap", "db.yaml"]) == "cannot read team: No such file or directory")
    }

    @Test func showsAFileThatExists() {
        #expect(
            InputError(unreadable: "/", "Is a directory", arguments: ["wrap", "/"]).description
                == "cannot read /: Is a directory")
        #expect(
            InputError(unreadable: ".", "is a folder", arguments: ["."]).description
                == "cannot read .: is a folder")
    }
}
