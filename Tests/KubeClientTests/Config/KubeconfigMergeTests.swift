import Cryptography
import Foundation
import HTTP
import JSON
import System
import TestSupport
import Testing
import YAML

@testable import KubeClient

/// `merged.json` is the output of `kubectl config view --raw -o json` (kubectl 1.36) for the same files.
@Suite struct KubeconfigMergeTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Vectors/kubeconfig")
        .path
    private static let files = ["first", "missing", "second", "third"].map { "\(folder)/\($0).yaml" }
    private static let kubectl = ProcessInfo.processInfo.environment["SB_TEST_KUBECTL"]

    @Test func mergesAsRecordedFromKubectl() throws {
        let recorded = try CredentialFile.read("\(Self.folder)/merged.json", for: "the test")
        try check(recorded)
    }

    @Test(.enabled(if: kubectl != nil, "needs SB_TEST_KUBECTL"))
    func mergesAsTheInstalledKubectl() async throws {
        let process = ChildProcess(
            executable: try #require(Self.kubectl), arguments: ["config", "view", "--raw", "-o", "json"],
            environment: ["KUBECONFIG": Self.files.joined(separator: ":"), "HOME": "/nonexistent"],
            isInteractive: false, outputLimit: 1 << 20, deadline: .seconds(30))
        let result = try await process.run()
        #expect(result.exitCode == 0)
        try check(result.output.bytes)
    }

    private func check(_ json: borrowing SecretBytes) throws {
        let expected = try #require(try YAMLReader.documents(in: json, source: "kubectl").first)
        let merged = try Kubeconfig(files: Self.files)
        #expect(merged.currentContext == expected["current-context"]?.string)
        for (list, kind, entries) in [
            ("clusters", "cluster", merged.clusters), ("users", "user", merged.users),
            ("contexts", "context", merged.contexts),
        ] {
            let elements = try #require(expected[list]?.elements)
            #expect(Set(elements.compactMap { $0["name"]?.string }) == Set(entries.keys))
            for element in elements {
                let name = try #require(element["name"]?.string)
                #expect(sorted(entries[name]?.node) == sorted(element[kind]), "\(name)")
            }
        }
    }

    /// Returns a node as JSON with sorted keys.
    private func sorted(_ node: YAMLNode?) -> String {
        guard let node else { return "missing" }
        if let entries = node.entries {
            return "{"
                + entries.sorted { $0.key < $1.key }.map { "\($0.key):\(sorted($0.value))" }.joined(
                    separator: ",") + "}"
        }
        if let elements = node.elements { return "[" + elements.map(sorted).joined(separator: ",") + "]" }
        return JSONWriter.write([JSONValue(node)]).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    @Test func resolvesPathsAgainstTheFileThatContainsThem() async throws {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        try folder.write("a/ca.pem", fakeCertificate)
        try folder.write("b/sub/c.pem", realCertificate)
        try folder.write("b/sub/k.pem", realKey)
        try folder.write("b/token", "from b\n".replacingOccurrences(of: " ", with: "-"))
        let first = try folder.write(
            "a/config", "clusters: [{name: l, cluster: {server: h:1, certificate-authority: ca.pem}}]")
        let second = try folder.write(
            "b/config",
            """
            current-context: c
            contexts: [{name: c, context: {cluster: l, user: u}}]
            users: [{name: u, user: {client-certificate: sub/c.pem, client-key: sub/k.pem, tokenFile: token}}]
            """)
        let configuration = try ClusterConfiguration.load(environment: [
            "KUBECONFIG": "\(first)::/no/where:\(second)"
        ])
        #expect(configuration.server == "https://h:1")
        guard case .pem(let pem) = configuration.trust else { throw CancellationError() }
        #expect(pem == Array(fakeCertificate.utf8))
        #expect(text(configuration.clientCertificate?.key) == realKey)
        #expect(text(try await configuration.credentials.credential().authorization) == "Bearer from-b")
    }
}
