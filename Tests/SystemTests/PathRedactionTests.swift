import Foundation
import System
import Testing

struct PathRedactionTests {
    @Test(arguments: [
        "/etc/tls/tls.key", "~/.kube/config", "./key", "../a", "certs/ca", ".token", "client.key", "ca.crt",
        "/var/run/secrets/kubernetes.io/serviceaccount/token", "/srv/Alice/Keys/2025/client-key.pem",
        "/tmp/h/8C0B1D1E-50D1-4E0E-8F5B-0D7E1F6A2B3C/key",
        "/nix/store/0c4bs6z7zk5r4w4x1r4bq8v2n1g3h5j6-cacert/ca.pem",
    ])
    func printsPaths(path: String) { #expect(PathRedaction.printablePath(path) == path) }

    @Test func doesNotPrintContents() {
        let key = Data((0..<32).map { UInt8(truncatingIfNeeded: $0 * 37 + 255) }).base64EncodedString()
        for text in [
            "", "hunter2", "s.hunter2", "hvs.CAESIJ2hunter2", "-----BEGIN PRIVATE KEY-----", "/a\n/b", key,
            "/\(key)",
            "eyJhbGciOi.eyJz/dWIiO.c2ln", "a/eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "apiVersion: v1\nkind: Config",
            "/" + String(repeating: "a", count: 255), "ghp_16C7e42F292c6912E7710c838347Ae178B4a/x",
            "a.key\u{202E}",
        ] {
            #expect(PathRedaction.printablePath(text) == nil, "\(text)")
        }
    }
}
