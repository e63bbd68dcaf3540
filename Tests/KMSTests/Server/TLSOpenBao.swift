import Foundation
import Glibc
import HTTP
import System
import TestSupport

@testable import KMS

/// A real OpenBao server that requires TLS client certificates, with CAs and certificates of its own. Its certificate is for
/// `vault.internal`, which does not resolve: clients connect to 127.0.0.1.
final class TLSOpenBao: Sendable {
    let address: String
    let folder: TemporaryFolder
    let bao: OpenBao

    init() async throws {
        folder = try TemporaryFolder()
        let port = try OpenBao.freePort()
        address = "https://127.0.0.1:\(port)"
        for name in ["ca", "client-ca", "stranger"] { try Self.openssl(folder, Self.authority(name)) }
        try Self.certificate(folder, "server", by: "ca", "subjectAltName=DNS:vault.internal")
        try Self.certificate(folder, "client", by: "client-ca", "extendedKeyUsage=clientAuth")
        try Self.certificate(folder, "foreign", by: "stranger", "extendedKeyUsage=clientAuth")
        bao = try await OpenBao(listeners: [
            [
                "tcp": [
                    "address": .string("127.0.0.1:\(port)"),
                    "tls_cert_file": .string(folder.path("server.crt")),
                    "tls_key_file": .string(folder.path("server.key")),
                    "tls_require_and_verify_client_cert": .string("true"),
                    "tls_client_ca_file": .string(folder.path("client-ca.crt")),
                ]
            ]
        ])
    }

    /// The settings of a client that works.
    var settings: [String: String] {
        [
            "CACERT": folder.path("ca.crt"), "TLS_SERVER_NAME": "vault.internal",
            "CLIENT_CERT": folder.path("client.crt"), "CLIENT_KEY": folder.path("client.key"),
        ]
    }

    /// Returns true if the `bao` command line reaches the server with these variables.
    func commandLineWorks(_ variables: [String: String]) async throws -> Bool {
        let program = OpenBao.program ?? ""
        let environment = ["HOME": folder.path, "BAO_ADDR": address].merging(variables) { $1 }
        return try await Python.runOnThread {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: program)
            process.arguments = ["status"]
            process.environment = environment
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            process.standardInput = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            return process.terminationStatus == 0
        }
    }

    private static func certificate(
        _ folder: TemporaryFolder, _ name: String, by authority: String, _ extensions: String
    ) throws {
        try folder.write("\(name).ext", extensions + "\n")
        try Self.openssl(
            folder,
            [
                "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                "/CN=\(name)",
                "-keyout", "\(name).key", "-out", "\(name).csr",
            ])
        try Self.openssl(
            folder,
            [
                "x509", "-req", "-days", "2", "-in", "\(name).csr", "-CA", "\(authority).crt",
                "-CAkey", "\(authority).key", "-CAcreateserial", "-extfile", "\(name).ext", "-out",
                "\(name).crt",
            ])
    }

    private static func authority(_ name: String) -> [String] {
        [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj",
            "/CN=\(name)", "-keyout", "\(name).key", "-out", "\(name).crt",
        ]
    }

    static func openssl(_ folder: TemporaryFolder, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw OpenBao.Failure(description: "openssl \(arguments.first ?? "") fails")
        }
    }
}
