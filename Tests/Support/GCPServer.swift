import Foundation
import HTTP
import HTTPTypes

/// Cloud KMS and Google's token services on loopback: hack/lib/gcp_server.py, which Tests/Fakes proves with the official
/// clients. It ends with the process, when its standard input closes.
package final class GCPServer: Sendable {
    private static let started = Task { try await GCPServer() }

    /// Returns the server that all tests share, which starts at the first call. Each test creates its own keys and service
    /// accounts.
    package static func shared() async throws -> GCPServer { try await started.value }

    package static let isAvailable = Python.hasModules(
        "google.cloud.kms_v1, google.auth, google_crc32c, cryptography, joserfc, celpy")

    package let port: Int
    package var url: String { "http://127.0.0.1:\(port)" }
    package let folder: TemporaryFolder
    private let process = Process()
    private let input = Pipe()

    package init() async throws {
        folder = try TemporaryFolder()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [Python.program, "-B", "hack/lib/gcp_server.py", "0", folder.path, "--stdin"]
        process.currentDirectoryURL = Python.repository
        process.environment = ["PATH": "/usr/bin:/bin"]
        process.standardInput = input
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        var port: Int?
        for _ in 0..<1200 where port == nil {
            try await Task.sleep(for: .milliseconds(50))
            port = (try? folder.read("port")).flatMap {
                Int($0.trimmingCharacters(in: .whitespacesAndNewlines))
            }
        }
        guard let port else { throw Python.Failure(description: "gcp_server.py did not start") }
        self.port = port
    }

    /// Sends a request to `/control/<action>`, as the top of gcp_server.py describes.
    @discardableResult
    package func control(_ action: String, _ body: AnyJSON) async throws -> AnyJSON {
        let (head, response) = try await CurlClient(HTTPClientConfiguration(proxy: .none)).send(
            HTTPClientRequest(
                method: .post, url: "\(url)/control/\(action)", fields: [.contentType: "application/json"],
                body: .bytes(Array(try body.data()))), upTo: 1 << 20)
        guard head.status.code == 200 else {
            throw Python.Failure(description: "\(action): \(String(decoding: response, as: UTF8.self))")
        }
        return try AnyJSON(response)
    }

    /// Changes settings of the server.
    package func configure(_ settings: AnyJSON) async throws { try await control("", settings) }

    /// Returns the logged requests of which all these properties are so.
    package func requests(_ wanted: [String: AnyJSON]) throws -> [AnyJSON] {
        try folder.read("requests.log").split(separator: "\n").map { try AnyJSON(Array($0.utf8)) }
            .filter { entry in wanted.allSatisfy { entry[$0.key] == $0.value } }
    }
}

/// A key of a `GCPServer`, and service accounts that may use it.
package struct GCPTestKey: Sendable {
    package let server: GCPServer
    /// The resource name.
    package let name: String

    package var keyID: String { "gcp-kms:\(name)" }

    /// - Parameter algorithm: That of an asymmetric key, or nil for a symmetric one.
    package static func create(
        on server: GCPServer? = nil, algorithm: String? = nil
    ) async throws -> GCPTestKey {
        let server = if let server { server } else { try await GCPServer.shared() }
        let ring = "projects/example-project/locations/europe-west1/keyRings/r-\(UUID().uuidString.prefix(8))"
        let name = "\(ring)/cryptoKeys/sb-wrap"
        var body: [String: AnyJSON] = ["key": .string(name)]
        if let algorithm { body["algorithm"] = .string(algorithm) }
        try await server.control("key", .object(body))
        return GCPTestKey(server: server, name: name)
    }

    /// The settings of a process, without credentials.
    package var settings: [String: String] {
        [
            "SB_KMS_BACKEND": "gcp-kms", "SB_KMS_GCP_KEY": name, "SB_KMS_GCP_ENDPOINT": server.url,
            "NO_GCE_CHECK": "true",
        ]
    }

    package func grant(_ role: String, to member: String) async throws {
        try await server.control(
            "grant",
            ["resource": .string(name), "role": .string("cloudkms.\(role)"), "member": .string(member)])
    }

    /// Creates a service account with these roles and returns the content of its key file.
    package func serviceAccount(_ roles: String...) async throws -> AnyJSON {
        let email = "sb-\(UUID().uuidString.lowercased())@example-project.iam.gserviceaccount.com"
        let file = try await server.control("service-account", ["email": .string(email)])
        for role in roles { try await grant(role, to: "serviceAccount:\(email)") }
        return file
    }

    /// Writes a credential file and returns the settings with it.
    package func settings(_ credentials: AnyJSON) throws -> [String: String] {
        let file = try server.folder.write("credentials-\(UUID().uuidString).json", try credentials.data())
        return settings.merging(["GOOGLE_APPLICATION_CREDENTIALS": file]) { $1 }
    }

    /// Returns the settings of a service account that may wrap, unwrap and read the key.
    package func allowedSettings() async throws -> [String: String] {
        try settings(try await serviceAccount("cryptoKeyEncrypterDecrypter", "viewer"))
    }

    /// Adds a version of the key and makes it the primary one.
    package func rotate() async throws { try await server.control("rotate", ["key": .string(name)]) }

    package func setState(_ state: String, version: Int) async throws {
        try await server.control(
            "version", ["key": .string(name), "version": .string("\(version)"), "state": .string(state)])
    }

    /// Runs a script of the official client: `client` has an administrator's token, `name` is the key, and `binding` the
    /// additional authenticated data of the tests.
    package func python(_ script: String, binding: [UInt8]) async throws -> String {
        try await python(
            """
            with open('\(server.folder.path("admin-token"))') as file:
                credentials = Credentials(file.read().strip())
            transport = KeyManagementServiceRestTransport(
                host='127.0.0.1:\(server.port)', url_scheme='http', credentials=credentials)
            client = kms_v1.KeyManagementServiceClient(transport=transport)
            """, script, binding)
    }

    /// Runs a script of the official client, which google-auth gives the identity of a credential file. All requests to
    /// Google's names go to the server.
    package func python(_ script: String, binding: [UInt8], credentials file: String) async throws -> String {
        try await python(
            """
            redirection = contextlib.ExitStack()
            redirection.enter_context(GCPServer.at('\(server.url)', '\(server.folder.path)').real_names())
            credentials, _ = google.auth.load_credentials_from_file(
                '\(file)', scopes=['https://www.googleapis.com/auth/cloud-platform'])
            client = kms_v1.KeyManagementServiceClient(credentials=credentials, transport='rest')
            """, script, binding)
    }

    private static let forks = PythonForks(
        """
        import base64, contextlib
        import google.auth
        from google.cloud import kms_v1
        from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceRestTransport
        from google.oauth2.credentials import Credentials
        from gcp_fake import GCPServer
        """)

    private func python(_ prepare: String, _ script: String, _ binding: [UInt8]) async throws -> String {
        let script = """
            \(prepare)
            name, binding = '\(name)', bytes(\(binding))
            \(script)
            """
        return try await Python.runOnThread { try Self.forks.run(script) }
    }
}
