import KubeClient
import Resources
import TestSupport

/// Reads the same page of 500 WrappedSecrets in sync, again and again.
struct ParseWorkload {
    let pages: Int

    private static let objectsInPage = 500

    func run() async throws -> [String: Int] {
        let page = Array(Self.page().utf8)
        let transport = FakeTransport { _ in FakeTransport.Response(200, chunks: [page]) }
        let client = KubeClient(
            connection: APIConnection(
                ClusterConfiguration(server: "https://guard.test"), transport: transport))
        var objects = 0
        for _ in 0..<pages {
            var pager = ListPager<WrappedSecret>(client, Selection())
            while let page = try await pager.nextPage() {
                objects += page.items.count { if case .object = $0 { true } else { false } }
            }
        }
        guard objects == pages * Self.objectsInPage else {
            throw UsageError(description: "\(objects) objects were read from \(pages) pages")
        }
        return ["requests": transport.requests.count]
    }

    private static func page() -> String {
        let text = String(repeating: "QUJD", count: 30)
        let mac = String(repeating: "QUJD", count: 10) + "QUI="
        let spec =
            #"{"format":"v1","scope":"strict","mac":"\#(mac)","data":{"password":"\#(text)","user":"\#(text)"},"#
            + #""recipients":[{"keyID":"vault-transit:transit/sb-wrap","wrappedKey":"vault:v1:\#(text)"}]}"#
        return FixedObjects.list(
            "WrappedSecret",
            (0..<objectsInPage).map {
                FixedObjects.wrappedSecret($0, spec: spec, status: status($0, mac: mac))
            })
    }

    private static func status(_ index: Int, mac: String) -> String {
        #"{"observedGeneration":1,"keyID":"vault-transit:transit/sb-wrap","keyVersion":"1","#
            + #""lastSyncTime":"2026-01-01T00:00:00Z","conditions":[{"type":"Ready","status":"True","#
            + #""observedGeneration":1,"lastTransitionTime":"2026-01-01T00:00:00Z","reason":"Synced","message":""}],"#
            + #""secret":{"name":"db-\#(index)","uid":"00000000-0000-4000-8000-\#(200_000_000_000 + index)","#
            + #""resourceVersion":"\#(2000 + index)","generation":1,"mac":"\#(mac)","renderVersion":1}}"#
    }
}
