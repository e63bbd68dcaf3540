import Foundation
import Resources

/// Runs fixed work whose instructions, allocations, requests and KMS calls hack/guard counts. It is not part of a release.
///
///     GuardWorkloads parse|reconcile|start COUNT
///
/// Prints the counts that it knows itself, as a JSON object. hack/guard takes the difference of two runs, so that the start
/// of the process does not count.
@main
enum GuardWorkloads {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard arguments.count == 2, let name = arguments.first,
            let count = arguments.last.flatMap({ Int($0) })
        else {
            throw UsageError(description: "usage: GuardWorkloads parse|reconcile|start COUNT")
        }
        let counts =
            switch name {
            case "parse": try await ParseWorkload(pages: count).run()
            case "reconcile": try await ReconcileWorkload(objects: count).run()
            case "start": try await StartWorkload(objects: count).run()
            default: throw UsageError(description: "\(name): parse, reconcile or start is expected")
            }
        let members = counts.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }
        print("{\(members.joined(separator: ", "))}")
    }
}

struct UsageError: Error, CustomStringConvertible {
    let description: String
}

/// The JSON of WrappedSecrets as the API server writes it.
enum FixedObjects {
    static let namespace = "bench"

    /// - Parameters:
    ///   - spec: The JSON of `spec`.
    ///   - status: The JSON of `status`, or nil for an object that was never reconciled.
    static func wrappedSecret(_ index: Int, spec: String, status: String? = nil) -> String {
        #"{"apiVersion":"secrets-bridge.io/v1alpha1","kind":"WrappedSecret","metadata":{"name":"db-\#(index)","#
            + #""namespace":"\#(namespace)","uid":"00000000-0000-4000-8000-\#(100_000_000_000 + index)","#
            + #""resourceVersion":"\#(1000 + index)","generation":1,"creationTimestamp":"2026-01-01T00:00:00Z","#
            + #""managedFields":[{"manager":"argocd-controller","operation":"Apply","apiVersion":"#
            + #""secrets-bridge.io/v1alpha1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":"#
            + #"{"f:spec":{"f:data":{"f:password":{}},"f:format":{},"f:mac":{},"f:recipients":{},"f:scope":{}}}}]},"#
            + #""spec":\#(spec)\#(status.map { #","status":\#($0)"# } ?? "")}"#
    }

    /// - Parameter token: The token of the next page, or nil for the last one.
    static func list(_ kind: String, _ items: [String], continue token: String? = nil) -> String {
        #"{"apiVersion":"v1","kind":"\#(kind)List","metadata":{"resourceVersion":"5000""#
            + (token.map { #","continue":"\#($0)""# } ?? "") + #"},"items":["# + items.joined(separator: ",")
            + "]}"
    }
}
