import Foundation
import HTTPTypes
import KubeClient
import System

/// The part of an API server that a reconciler needs: create, read, JSON Patch with its tests, resource versions, uids,
/// managed fields, immutability, 404, 409 and 422. Tests can inject faults.
package final class FakeAPIServer: Sendable {
    fileprivate struct State {
        var objects: [String: AnyJSON] = [:]
        var version = 100
        var faults: [(method: String, path: String, response: FakeTransport.Response)] = []
        var before: [@Sendable (FakeTransport.Request) -> Void] = []
    }

    private let state = Locked(State())

    package init() {}

    /// Returns a transport with its own log of requests.
    package func transport() -> FakeTransport {
        FakeTransport { [self] in serve($0) }
    }

    /// The object at `path`, as another client would read and change it. Each change creates a new resource version.
    package subscript(path: String) -> AnyJSON? {
        get { state.withLock { $0.objects[path] } }
        set {
            state.withLock { state in
                guard var object = newValue else {
                    state.version += 1
                    state.objects[path] = nil
                    return
                }
                if object[["metadata", "uid"]] == nil {
                    object[["metadata", "uid"]] = .string("uid-\(state.version)")
                }
                state.store(object, at: path)
            }
        }
    }

    package func objects(under path: String) -> [AnyJSON] {
        state.withLock { state in
            state.objects.filter { $0.key.hasPrefix(path) }.sorted { $0.key < $1.key }.map(\.value)
        }
    }

    package var resourceVersion: String { state.withLock { "\($0.version)" } }

    /// Responds to the next request with this method and path without executing it.
    package func failNext(_ method: String, _ path: String, _ response: FakeTransport.Response) {
        state.withLock { $0.faults.append((method, path, response)) }
    }

    /// Runs once before the next request is served, to simulate a concurrent writer.
    package func beforeNextRequest(_ body: @escaping @Sendable (FakeTransport.Request) -> Void) {
        state.withLock { $0.before.append(body) }
    }

    /// Executes a request for one object.
    package func serve(_ request: FakeTransport.Request) -> FakeTransport.Response {
        let before = state.withLock { state in
            defer { state.before = [] }
            return state.before
        }
        for body in before { body(request) }
        return state.withLock { $0.serve(request) }
    }
}

extension FakeAPIServer.State {
    fileprivate mutating func store(_ object: AnyJSON, at path: String) {
        version += 1
        var object = object
        object[["metadata", "resourceVersion"]] = .string("\(version)")
        objects[path] = object
    }

    fileprivate mutating func serve(_ request: FakeTransport.Request) -> FakeTransport.Response {
        if let index = faults.firstIndex(where: {
            $0.method == request.method.rawValue && request.path.hasSuffix($0.path)
        }) {
            return faults.remove(at: index).response
        }
        let isStatus = request.path.hasSuffix("/status")
        let path = isStatus ? String(request.path.dropLast("/status".count)) : request.path
        switch request.method {
        case .post: return create(request)
        case .patch: return patch(request, at: path, isStatus: isStatus)
        case .get:
            guard let object = objects[path] else { return .status(404, "NotFound", "not found") }
            return answer(object)
        case .delete:
            guard objects.removeValue(forKey: path) != nil else {
                return .status(404, "NotFound", "not found")
            }
            version += 1
            return .status(200, "")
        default: return .status(405, "MethodNotAllowed")
        }
    }

    private mutating func create(_ request: FakeTransport.Request) -> FakeTransport.Response {
        guard var object = try? AnyJSON(request.body), let name = object[["metadata", "name"]]?.string
        else {
            return .status(400, "BadRequest")
        }
        let path = "\(request.path)/\(name)"
        guard objects[path] == nil else { return .status(409, "AlreadyExists", "\(name) already exists") }
        object[["metadata", "uid"]] = .string("uid-\(version)")
        manage(&object, from: nil)
        store(object, at: path)
        return answer(objects[path] ?? .null)
    }

    private mutating func patch(
        _ request: FakeTransport.Request, at path: String, isStatus: Bool
    ) -> FakeTransport.Response {
        guard let current = objects[path] else { return .status(404, "NotFound", "not found") }
        if let applied = try? AnyJSON(request.body), applied.fields != nil {
            return apply(applied, at: path, over: current)
        }
        guard let operations = try? AnyJSON(request.body).items else { return .status(400, "BadRequest") }
        var changed = current
        for operation in operations {
            guard apply(operation, to: &changed) else {
                return .status(
                    422, "Invalid", "the server rejected our request due to an error in our request")
            }
        }
        let version: [String] = ["metadata", "resourceVersion"]
        guard changed[version] == current[version] else { return .status(409, "Conflict", "modified") }
        if isStatus {
            var whole = current
            whole["status"] = changed["status"]
            changed = whole
        } else if let refusal = immutability(of: current, against: changed) {
            return refusal
        } else {
            manage(&changed, from: current)
        }
        if changed != current { store(changed, at: path) }
        return answer(objects[path] ?? .null)
    }

    /// A forced server-side apply of labels and annotations.
    private mutating func apply(
        _ applied: AnyJSON, at path: String, over current: AnyJSON
    ) -> FakeTransport.Response {
        var changed = current
        for field in ["labels", "annotations"] {
            for (key, value) in applied[["metadata", field]]?.fields ?? [:] {
                changed[["metadata", field, key]] = value
            }
        }
        manage(&changed, from: current)
        for (field, managed) in [("labels", "f:labels"), ("annotations", "f:annotations")] {
            for key in (applied[["metadata", field]]?.fields ?? [:]).keys {
                var entries = changed[["metadata", "managedFields"]]?.items ?? []
                guard
                    let index = entries.firstIndex(where: { $0["manager"]?.string == KubeClient.fieldManager }
                    )
                else { continue }
                entries[index][["fieldsV1", "f:metadata", managed, "f:\(key)"]] = .object([:])
                changed[["metadata", "managedFields"]] = .array(entries)
            }
        }
        if changed != current { store(changed, at: path) }
        return answer(objects[path] ?? .null)
    }

    private func immutability(of current: AnyJSON, against changed: AnyJSON) -> FakeTransport.Response? {
        func refusal(_ field: String, _ reason: String) -> FakeTransport.Response {
            .status(
                422, "Invalid", "invalid",
                details: #"{"causes":[{"reason":"\#(reason)","field":"\#(field)"}]}"#)
        }
        if current["type"] != changed["type"] { return refusal("type", "FieldValueInvalid") }
        guard current["immutable"] == true else { return nil }
        if changed["immutable"] != true { return refusal("immutable", "FieldValueForbidden") }
        return current["data"] == changed["data"] ? nil : refusal("data", "FieldValueForbidden")
    }

    /// Applies one operation of RFC 6902 to an object. Arrays are not supported.
    private func apply(_ operation: AnyJSON, to object: inout AnyJSON) -> Bool {
        guard let op = operation["op"]?.string, let pointer = operation["path"]?.string else { return false }
        let path = pointer.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map {
            $0.replacingOccurrences(of: "~1", with: "/").replacingOccurrences(of: "~0", with: "~")
        }
        switch op {
        case "test": return object[path] == operation["value"]
        case "remove", "replace":
            guard object[path] != nil else { return false }
            object[path] = op == "remove" ? nil : operation["value"]
        case "add":
            guard object[Array(path.dropLast())]?.fields != nil else { return false }
            object[path] = operation["value"]
        default: return false
        }
        return true
    }

    /// Makes the controller's field manager own the changed labels and annotations.
    private func manage(_ object: inout AnyJSON, from current: AnyJSON?) {
        var owned: AnyJSON = .object([:])
        for (field, managed) in [("labels", "f:labels"), ("annotations", "f:annotations")] {
            let before = current?[["metadata", field]]?.fields ?? [:]
            let known = current.map { ours($0)?[managed]?.fields ?? [:] } ?? [:]
            for (key, value) in object[["metadata", field]]?.fields ?? [:]
            where before[key] != value || known["f:\(key)"] != nil {
                owned[[managed, "f:\(key)"]] = .object([:])
            }
        }
        let others = (current?[["metadata", "managedFields"]]?.items ?? []).filter {
            $0["manager"]?.string != KubeClient.fieldManager
        }
        let entry: AnyJSON = [
            "manager": .string(KubeClient.fieldManager), "fieldsV1": ["f:metadata": owned],
        ]
        object[["metadata", "managedFields"]] = .array(others + [entry])
    }

    private func ours(_ object: AnyJSON) -> AnyJSON? {
        object[["metadata", "managedFields"]]?.items?.first {
            $0["manager"]?.string == KubeClient.fieldManager
        }?[["fieldsV1", "f:metadata"]]
    }

    private func answer(_ object: AnyJSON) -> FakeTransport.Response {
        let body = (try? object.data()).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
        return FakeTransport.Response(200, body)
    }
}
