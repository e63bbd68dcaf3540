import Controller
import Cryptography
import Envelope
import HTTPTypes
import KubeClient
import Logging
import System
import TestSupport

/// Starts a controller over objects that are in sync, until it has looked at all of them.
struct StartWorkload {
    let objects: Int

    func run() async throws -> [String: Int] {
        let keys = try FakeKeyManager()
        let fields = try await FixedEnvelope.fields(keys)
        let objectPages = pages("WrappedSecret") { Self.wrappedSecret($0, fields) }
        let secretPages = pages("PartialObjectMetadata") { Self.secret($0) }
        let transport = FakeTransport { request in
            guard !request.query.contains("sendInitialEvents=true") else { return .status(400, "BadRequest") }
            guard !request.query.contains("watch=true") else { return .init(200, chunks: [], end: .stall) }
            let pages = request.path.hasSuffix("/secrets") ? secretPages : objectPages
            return .init(200, chunks: [pages[Self.page(request.query)]])
        }
        let finished = AsyncStream<Int>.makeStream()
        var options = Controller.Options()
        options.selection = Selection(namespace: FixedObjects.namespace)
        let controller = Controller(
            client: KubeClient(
                connection: APIConnection(
                    ClusterConfiguration(server: "https://guard.test"), transport: transport)),
            keys: keys.keyRing, options: options,
            logger: Logger(label: "guard") { _ in StartLog(finished: finished.continuation) })
        let running = Task { try await controller.run() }
        var queued = 0
        for await count in finished.stream { queued = count }
        running.cancel()
        try await running.value
        let writes = transport.requests.count { $0.method != HTTPRequest.Method.get }
        return ["kms_calls": keys.unwrapCount, "queued": queued, "writes": writes]
    }

    // MARK: lists

    private static let objectsInPage = 500

    private func pages(_ kind: String, _ item: (Int) -> String) -> [[UInt8]] {
        stride(from: 0, to: objects, by: Self.objectsInPage).map { start in
            let end = min(start + Self.objectsInPage, objects)
            let next = end < objects ? "page-\(end / Self.objectsInPage)" : nil
            return Array(FixedObjects.list(kind, (start..<end).map(item), continue: next).utf8)
        }
    }

    /// Returns the number of the page that a query asks for.
    private static func page(_ query: [String]) -> Int {
        let parameter = query.first { $0.hasPrefix("continue=page-") }
        return parameter.flatMap { Int($0.dropFirst("continue=page-".count)) } ?? 0
    }

    private static func uid(_ index: Int) -> String { "00000000-0000-4000-8000-\(100_000_000_000 + index)" }
    private static func secretUID(_ index: Int) -> String {
        "00000000-0000-4000-8000-\(200_000_000_000 + index)"
    }

    private static func wrappedSecret(_ index: Int, _ fields: EnvelopeFields) -> String {
        let status =
            #"{"observedGeneration":1,"keyID":"\#(fields.recipients.first?.keyID ?? "")","keyVersion":"1","#
            + #""lastSyncTime":"2026-01-01T00:00:00Z","lastVerifiedTime":"2026-01-01T00:00:00Z","#
            + #""conditions":[{"type":"Ready","status":"True","observedGeneration":1,"#
            + #""lastTransitionTime":"2026-01-01T00:00:00Z","reason":"Synced","#
            + #""message":"Secret db-\#(index) is up to date"}],"secret":{"name":"db-\#(index)","#
            + #""uid":"\#(secretUID(index))","resourceVersion":"\#(2000 + index)","generation":1,"#
            + #""mac":"\#(fields.mac)","renderVersion":1}}"#
        return FixedObjects.wrappedSecret(index, spec: FixedEnvelope.spec(fields), status: status)
    }

    private static func secret(_ index: Int) -> String {
        #"{"metadata":{"name":"db-\#(index)","namespace":"\#(FixedObjects.namespace)","uid":"\#(secretUID(index))","#
            + #""resourceVersion":"\#(2000 + index)","creationTimestamp":"2026-01-01T00:00:00Z","#
            + #""labels":{"app.kubernetes.io/managed-by":"secrets-bridge","secrets-bridge.io/managed":"true"},"#
            + #""annotations":{"secrets-bridge.io/source":"\#(uid(index))/1","#
            + #""secrets-bridge.io/wrapped-secret":"db-\#(index)"},"#
            + #""ownerReferences":[{"apiVersion":"secrets-bridge.io/v1alpha1","kind":"WrappedSecret","#
            + #""name":"db-\#(index)","uid":"\#(uid(index))","controller":true}],"#
            + #""managedFields":[{"manager":"secrets-bridge","operation":"Update","apiVersion":"v1","#
            + #""time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:password":{}},"#
            + #""f:metadata":{"f:annotations":{".":{},"f:secrets-bridge.io/source":{},"f:secrets-bridge.io/wrapped-secret":{}},"#
            + #""f:labels":{".":{},"f:app.kubernetes.io/managed-by":{},"f:secrets-bridge.io/managed":{}},"#
            + #""f:ownerReferences":{".":{},"k:{\"uid\":\"\#(uid(index))\"}":{}}},"f:type":{}}}]}}"#
    }
}

/// Finishes the stream with the number of queued objects once the controller says that its caches are complete.
private struct StartLog: LogHandler {
    let finished: AsyncStream<Int>.Continuation
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        guard event.message.description == "caches complete" else { return }
        finished.yield(event.metadata?["queued"].flatMap { Int("\($0)") } ?? -1)
        finished.finish()
    }
}
