import Controller
import Cryptography
import Envelope
import HTTPTypes
import KubeClient
import Logging
import System
import TestSupport

/// Runs the controller with one worker over a scripted API server until each object has a Secret and a status.
struct ReconcileWorkload {
    let objects: Int

    func run() async throws -> [String: Int] {
        let keys = try FakeKeyManager()
        let server = ScriptedServer(items: try await items(keys))
        let finished = AsyncStream<Void>.makeStream()
        let writes = Locked(objects)
        let transport = FakeTransport { request in
            defer {
                if request.path.hasSuffix("/status"),
                    writes.withLock({ left in
                        left -= 1
                        return left == 0
                    })
                {
                    finished.continuation.finish()
                }
            }
            return server.respond(to: request)
        }
        var options = Controller.Options()
        options.workers = 1
        options.unwrapRateLimit = nil
        options.selection = Selection(namespace: FixedObjects.namespace)
        let controller = Controller(
            client: KubeClient(
                connection: APIConnection(
                    ClusterConfiguration(server: "https://guard.test"), transport: transport)),
            keys: keys.keyRing, options: options,
            logger: Logger(label: "guard") { _ in SwiftLogNoOpLogHandler() })
        let running = Task { try await controller.run() }
        for await _ in finished.stream {}
        running.cancel()
        try await running.value
        return counts(transport.requests, unwraps: keys.unwrapCount)
    }

    private func items(_ keys: FakeKeyManager) async throws -> [String] {
        let spec = FixedEnvelope.spec(try await FixedEnvelope.fields(keys))
        return (0..<objects).map { FixedObjects.wrappedSecret($0, spec: spec) }
    }

    private func counts(_ requests: [FakeTransport.Request], unwraps: Int) -> [String: Int] {
        let secrets = requests.count { $0.method == .post && $0.path.hasSuffix("/secrets") }
        let statuses = requests.count { $0.path.hasSuffix("/status") }
        return [
            "creates": secrets, "status_patches": statuses, "kms_calls": unwraps,
            "other_requests": requests.count - secrets - statuses,
        ]
    }
}

/// An API server that lists fixed objects and accepts each write, with as little work as possible.
private struct ScriptedServer: Sendable {
    let items: [String]

    func respond(to request: FakeTransport.Request) -> FakeTransport.Response {
        let collection = request.path.split(separator: "/").last ?? ""
        switch request.method {
        case .get where request.query.contains("sendInitialEvents=true"): return .status(400, "BadRequest")
        case .get where request.query.contains("watch=true"): return .init(200, chunks: [], end: .stall)
        case .get where collection == "wrappedsecrets":
            return .init(200, FixedObjects.list("WrappedSecret", items))
        case .get where collection == "secrets": return .init(200, FixedObjects.list("Secret", []))
        // How many events the rate limiter lets through depends on the time: the first one waits until the end.
        case .post where collection == "events": return .init(201, chunks: [], end: .stall)
        case .post where collection == "secrets":
            return .init(201, Self.object(name(in: request.body), version: "7000"))
        case .patch where collection == "status":
            let name = request.path.split(separator: "/").dropLast().last ?? ""
            return .init(200, Self.object(String(name), version: "8000"))
        default: return .status(404, "NotFound")
        }
    }

    private static func object(_ name: String, version: String) -> String {
        #"{"metadata":{"name":"\#(name)","namespace":"\#(FixedObjects.namespace)","uid":"u-\#(name)","#
            + #""resourceVersion":"\#(version)","creationTimestamp":"2026-01-01T00:00:00Z"}}"#
    }

    /// Returns the name in the metadata of a manifest.
    private func name(in body: [UInt8]) -> String {
        let marker = Array(#""name":""#.utf8)
        guard body.count > marker.count else { return "" }
        let start = (0..<body.count - marker.count).first {
            body[$0..<$0 + marker.count].elementsEqual(marker)
        }
        guard let start else { return "" }
        return String(
            decoding: body[(start + marker.count)...].prefix { $0 != UInt8(ascii: "\"") }, as: UTF8.self)
    }
}
