import Cryptography
import Envelope
import JSON
import TestSupport
import Testing

@testable import CLI

/// `spec.template.data` in files: written by `wrap`, rendered by `unwrap`, checked by `verify`, kept by edits.
@Suite struct TemplateTests {
    private let keys: FakeKeyManager
    private let folder: TemporaryFolder
    private let text = "[database]\npassword = {{ .password | quote }}\nurl = postgres://{{ .user }}@db/\n"

    init() throws {
        keys = try FakeKeyManager()
        folder = try TemporaryFolder()
    }

    private func wrap(
        _ templates: [String: String], type: String? = nil, _ values: [String: String]? = nil
    ) async throws(InputError) -> SecretWrapper.Output {
        var secret = SecretInput(name: "db", namespace: "payments", type: type, source: "arguments")
        secret.entries = (values ?? ["password": canary, "user": "app"]).map {
            SecretEntry(name: $0.key, value: SharedSecret(copying: $0.value.utf8))
        }
        secret.templates = templates
        return try await SecretWrapper(keys: keys.keyRing, scope: .strict, namespace: nil).wrap(secret)
    }

    private func unwrap(_ manifest: String) async throws -> AnyJSON {
        let secrets = try await SecretUnwrapper(keys: keys.keyRing, namespace: nil).secrets(
            in: secretBytes(manifest), source: "w.yaml")
        return try json(try #require(secrets.first))
    }

    private func verify(_ manifest: String, offline: Bool = true) async throws -> Verification.Report {
        let path = try folder.write("w.yaml", manifest)
        return await Verification(keys: offline ? nil : keys.keyRing, namespace: nil).verify(
            WrappedSecretFiles(reading: [path]))
    }

    @Test func writesTheTemplateAsItIsAndRendersItWhenUnwrapped() async throws {
        let output = try await wrap(["app.conf": text])
        #expect(output.notes == [])
        #expect(try json(output.manifest)[["spec", "template", "data"]] == ["app.conf": .string(text)])
        #expect(
            yaml(output.manifest).contains("      app.conf: |\n        [database]\n        password = {{"))
        let data = try await unwrap(yaml(output.manifest))["data"]?.fields
        let conf = "[database]\npassword = \"\(canary)\"\nurl = postgres://app@db/\n"
        #expect(data?.keys.sorted() == ["app.conf", "password", "user"])
        #expect(data?["app.conf"] == .string(Base64.encode(conf.utf8)))
    }

    @Test(arguments: [
        (
            "{{ .missing }}",
            "arguments: spec.template.data[app.conf] line 1 column 1: there is no entry missing"
        ),
        ("{{ .user | upper }}", "line 1 column 12: there is no filter upper"),
        ("{{ .password | base64decode }}", "the value is not base64"),
    ])
    func refusesToWrapATemplateThatCannotBeRendered(template: String, problem: String) async {
        let message = await errorMessage { () async throws(InputError) in
            try await wrap(["app.conf": template])
        }
        expectSafeMessage(message)
        #expect(message?.contains(problem) == true, "\(message ?? "")")
    }

    @Test func refusesATemplateWithTheNameOfAnEntry() async {
        let message = await errorMessage { () async throws(InputError) in try await wrap(["user": "x"]) }
        #expect(message?.contains("[user] has the name of an entry") == true)
    }

    @Test func notesAValueThatTheTemplateHoldsInPlainText() async throws {
        let output = try await wrap(["app.conf": "password=\(canary) user=app"])
        #expect(output.notes.count == 1)
        expectSafeMessage(output.notes.first)
        #expect(output.notes.first?.contains("the template app.conf contains the value of password") == true)
    }

    @Test func rendersTheEntryThatATypeNeeds() async throws {
        let type = "kubernetes.io/dockerconfigjson"
        let config =
            #"{"auths": {"r.example.com": {"username": {{ .user | json }}, "password": {{ .password | json }}}}}"#
        let output = try await wrap([".dockerconfigjson": config], type: type)
        let secret = try await unwrap(yaml(output.manifest))
        #expect(secret["type"] == .string(type))
        #expect(secret[["data", ".dockerconfigjson"]] != nil)
        let message = await errorMessage { () async throws(InputError) in
            try await wrap([".dockerconfigjson": "{{ .user }}"], type: type)
        }
        #expect(message?.contains("needs a JSON object under .dockerconfigjson") == true)
    }

    @Test func verifiesThatTemplatesParseAndReferToEntries() async throws {
        let manifest = yaml(try await wrap(["app.conf": text]).manifest)
        #expect(try await verify(manifest).problems == [])
        #expect(try await verify(manifest, offline: false).problems == [])
        let missing = try await verify(manifest.replacing("{{ .user }}", with: "{{ .uzer }}")).problems
        #expect(missing.count == 1)
        #expect(
            missing.first?.contains("spec.template.data[app.conf] line 3 column 18: there is no entry uzer")
                == true)
        let undecodable = manifest.replacing("{{ .user }}", with: "{{ .user | base64decode }}")
        #expect(try await verify(undecodable).problems == [])
        let problems = try await verify(undecodable, offline: false).problems
        #expect(problems.first?.contains("base64decode of entry user: the value is not base64") == true)
    }

    @Test func listsTemplatesAmongWhatIsReadableWithoutAKey() async throws {
        let path = try folder.write("w.yaml", yaml(try await wrap(["app.conf": text]).manifest))
        let file = try WrappedSecretFile(reading: path)
        let inspection = try Inspection(file.documents[0], namespace: nil)
        #expect(inspection.lines.contains { $0.contains("templates") && $0.contains("app.conf") })
        #expect(try json(inspection.value)["templates"] == ["app.conf"])
    }

    private func edit(_ entries: [String: String]) async throws -> String? {
        let path = try folder.write("w.yaml", yaml(try await wrap(["app.conf": text]).manifest))
        let opened = try await OpenedDocument(
            try WrappedSecretFile(reading: path), named: nil, namespace: nil, with: keys.keyRing)
        let new = entries.map { SecretEntry(name: $0.key, value: SharedSecret(copying: $0.value.utf8)) }
        return await errorMessage { () async throws(InputError) in
            try await ValueEdit(opened, with: keys.keyRing).replaceValues(with: new)
        }
    }

    @Test func editsValuesAndKeepsTheTemplates() async throws {
        #expect(try await edit(["password": "new-value", "user": "u2"]) == nil)
        let manifest = try folder.read("w.yaml")
        let secret = try await unwrap(manifest)
        let conf = "[database]\npassword = \"new-value\"\nurl = postgres://u2@db/\n"
        #expect(secret[["data", "app.conf"]] == .string(Base64.encode(conf.utf8)))
    }

    @Test func refusesToRemoveAnEntryThatATemplateNeeds() async throws {
        let message = try await edit(["password": "new-value"])
        #expect(message?.contains("line 3 column 18: there is no entry user") == true)
    }

    @Test func refusesAnEntryWithTheNameOfATemplate() async throws {
        let message = try await edit(["password": "p", "user": "u", "app.conf": "x"])
        #expect(message?.contains("[app.conf] has the name of an entry") == true)
    }

    @Test func readsTemplatesFromFiles() throws {
        let path = try folder.write("app.conf.tmpl", text)
        let template = try SecretArguments.template("app.conf=\(path)")
        #expect(template.key == "app.conf")
        #expect(template.text == text)
        for argument in ["app.conf", "=\(path)", "a/b=\(path)"] {
            #expect(throws: InputError.self) { try SecretArguments.template(argument) }
        }
        #expect(errorMessage { () throws(InputError) in try SecretArguments.template("a=/nowhere") } != nil)
    }
}
