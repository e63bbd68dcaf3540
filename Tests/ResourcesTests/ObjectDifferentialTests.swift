import Cryptography
import Envelope
import Foundation
import JSON
import KubeClient
import TestSupport
import Testing

@testable import Resources

/// The readers of WrappedSecrets and of metadata against Foundation's decoder, on objects that are generated and then
/// damaged.
struct ObjectDifferentialTests {
    /// The fields that the controller reads, as Foundation's decoder reads them.
    private struct Mirror: Decodable {
        struct Metadata: Decodable {
            var name: String
            var namespace, uid, resourceVersion, deletionTimestamp: String?
            var generation: Int64?
            var labels, annotations: [String: String]?
            var ownerReferences: [Owner]?
        }
        struct Owner: Decodable {
            var apiVersion, kind, name, uid: String
            var controller: Bool?
        }
        struct Recipient: Decodable {
            var keyID, wrappedKey: String
            var algorithm: String?
        }
        struct Spec: Decodable {
            var format, scope, mac: String
            var recipients: [Recipient]
            var data: [String: String]?
            var creationPolicy: String?
            var suspend: Bool?
        }
        struct Status: Decodable {
            var observedGeneration: Int64?
            var keyID, lastSyncTime: String?

            enum CodingKeys: CodingKey { case observedGeneration, keyID, lastSyncTime }

            init(from decoder: any Decoder) throws {
                let fields = try decoder.container(keyedBy: CodingKeys.self)
                observedGeneration = try? fields.decode(Int64.self, forKey: .observedGeneration)
                keyID = try? fields.decode(String.self, forKey: .keyID)
                lastSyncTime = try? fields.decode(String.self, forKey: .lastSyncTime)
            }
        }

        var metadata: Metadata
        var spec: Spec
        var status: Status?

        /// One line for each field, so that both readers can be compared.
        var fields: [String] {
            [
                metadata.name, "\(metadata.namespace as Any)", "\(metadata.uid as Any)",
                "\(metadata.resourceVersion as Any)", "\(metadata.deletionTimestamp as Any)",
                "\(metadata.generation as Any)", sorted(metadata.labels), sorted(metadata.annotations),
                "\(metadata.ownerReferences?.map { [$0.apiVersion, $0.kind, $0.name, $0.uid, "\($0.controller as Any)"] } as Any)",
                spec.format, spec.scope, spec.mac, sorted(spec.data ?? [:]),
                "\(spec.recipients.map { "\($0.keyID) \($0.wrappedKey) \($0.algorithm as Any)" })",
                "\(spec.creationPolicy as Any)", "\(spec.suspend as Any)", "\(status != nil)",
                "\(status?.observedGeneration as Any)", "\(status?.keyID as Any)",
                "\(status?.lastSyncTime as Any)",
            ]
        }
    }

    private func fields(_ object: WrappedSecret) -> [String] {
        let (metadata, spec, status) = (object.metadata, object.spec, object.status)
        return [
            metadata.name, "\(metadata.namespace as Any)", "\(metadata.uid as Any)",
            "\(metadata.resourceVersion as Any)", "\(metadata.deletionTimestamp as Any)",
            "\(metadata.generation as Any)", sorted(metadata.labels), sorted(metadata.annotations),
            "\(metadata.ownerReferences?.map { [$0.apiVersion, $0.kind, $0.name, $0.uid, "\($0.controller as Any)"] } as Any)",
            spec.envelope.format, spec.envelope.scope, spec.envelope.mac, sorted(spec.envelope.data),
            "\(spec.envelope.recipients.map { "\($0.keyID) \($0.wrappedKey) \($0.algorithm as Any)" })",
            "\(spec.creationPolicy as Any)", "\(spec.suspend as Any)", "\(status != nil)",
            "\(status?.observedGeneration as Any)", "\(status?.keyID as Any)",
            "\(status?.lastSyncTime as Any)",
        ]
    }

    private static let strings = [
        #""a""#, #""""#, #""a name of more than sixteen bytes""#, #""\u00e9\ud83d\ude00 é""#, #""\"\\\/\n""#,
        #""3f8a1c5e-0b2d-4e6f-8a9b-0c1d2e3f4a5b""#, "\"\(String(repeating: "QUJD", count: 40))\"",
    ]

    private func string(_ random: inout SeededGenerator) -> String {
        Self.strings.randomElement(using: &random) ?? #""""#
    }

    /// Mostly of the right type.
    private func value(_ good: String, _ random: inout SeededGenerator) -> String {
        guard Int.random(in: 0..<60, using: &random) == 0 else { return good }
        return ["null", "true", "17", "\"x\"", "[]", "{}", "[1]", #"{"a":null}"#].randomElement(
            using: &random)
            ?? ""
    }

    private func map(_ random: inout SeededGenerator) -> String {
        let members = (0..<Int.random(in: 0...3, using: &random)).map { "\"key-\($0)\":" + string(&random) }
        return "{" + members.joined(separator: ",") + "}"
    }

    private func object(
        _ required: [(String, String)], _ optional: [(String, String)], _ random: inout SeededGenerator
    ) -> String {
        var members = required.filter { _ in Int.random(in: 0..<80, using: &random) > 0 }
        members += optional.filter { _ in Bool.random(using: &random) }
        members.shuffle(using: &random)
        let space = ["", "", "\n ", "\t"].randomElement(using: &random) ?? ""
        return "{"
            + members.map { "\"\($0.0)\"\(space):\(space)" + value($0.1, &random) }.joined(separator: ",")
            + "\(space)}"
    }

    private func document(_ random: inout SeededGenerator) -> String {
        let managed = #"[{"manager":"m","fieldsV1":{"f:spec":{"f:data":{".":{},"k:{\"uid\":\"x\"}":{}}}}}]"#
        let owner = object(
            [
                ("apiVersion", string(&random)), ("kind", string(&random)), ("name", string(&random)),
                ("uid", string(&random)),
            ], [("controller", "true")], &random)
        let metadata = object(
            [("name", #""db""#)],
            [
                ("namespace", string(&random)), ("uid", string(&random)), ("resourceVersion", #""8000042""#),
                ("deletionTimestamp", string(&random)), ("generation", "3"), ("labels", map(&random)),
                ("annotations", map(&random)), ("ownerReferences", "[\(owner)]"), ("managedFields", managed),
                ("selfLink", string(&random)),
            ], &random)
        let recipient = object(
            [("keyID", string(&random)), ("wrappedKey", string(&random))], [("algorithm", string(&random))],
            &random)
        let spec = object(
            [
                ("format", #""v1""#), ("scope", #""strict""#), ("mac", string(&random)),
                ("recipients", "[\(recipient)]"),
            ],
            [("data", map(&random)), ("creationPolicy", string(&random)), ("suspend", "false")], &random)
        let status = object(
            [],
            [
                ("observedGeneration", "3"), ("keyID", string(&random)), ("lastSyncTime", string(&random)),
                ("unknown", #"{"a":[{}]}"#),
            ], &random)
        return object(
            [("metadata", metadata), ("spec", spec)], [("status", status), ("kind", #""x""#)], &random)
    }

    private func own(_ bytes: [UInt8]) -> [String]? {
        (try? JSONReader.read(WrappedSecret.self, from: bytes)).map(fields)
    }

    private func foundations(_ bytes: [UInt8]) -> [String]? {
        (try? JSONDecoder().decode(Mirror.self, from: Data(bytes)))?.fields
    }

    /// An object without a name is malformed for the reader only.
    private func hasName(_ fields: [String]?) -> Bool { fields?.first?.isEmpty == false }

    @Test(arguments: DifferentialRun.seeds) func readsTheObjectsThatFoundationReads(seed: Int) {
        var random = SeededGenerator(seed)
        for _ in 0..<DifferentialRun.documents(250) {
            let text = document(&random)
            let (own, theirs) = (own(Array(text.utf8)), foundations(Array(text.utf8)))
            if own != theirs { Issue.record("seed \(seed): \(text)") }
        }
    }

    /// The reader may accept more, because it does not check what it skips. What both accept is equal, except that the
    /// reader uses the last of equal keys and Foundation the first.
    @Test(arguments: DifferentialRun.seeds) func readsTheSameInDamagedObjects(seed: Int) {
        var random = SeededGenerator(1000 + seed)
        for _ in 0..<DifferentialRun.documents(500) {
            let text = document(&random)
            var bytes = Array(text.utf8)
            damage(&bytes, &random)
            let own = own(bytes)
            guard let theirs = foundations(bytes), hasName(theirs), !Self.hasEqualKeys(bytes) else {
                continue
            }
            let isNumber = Self.hasFraction(bytes)
            if own != theirs, !(own == nil && isNumber) {
                Issue.record("seed \(seed): \(String(decoding: bytes, as: UTF8.self))")
            }
        }
    }

    /// A list, which shares strings, is read like its items alone.
    @Test(arguments: DifferentialRun.seeds) func readsAListLikeItsItems(seed: Int) throws {
        var random = SeededGenerator(2000 + seed)
        for _ in 0..<DifferentialRun.documents(50) {
            let texts = (0..<4).map { _ in document(&random) }
            let single = texts.compactMap { own(Array($0.utf8)) }
            let list =
                #"{"metadata":{"resourceVersion":"1"},"items":["# + texts.joined(separator: " ,") + "]}"
            let page = try JSONReader.read(ListPage<WrappedSecret>.self, from: Array(list.utf8))
            let items = page.items.compactMap { item -> [String]? in
                if case .object(let object) = item { fields(object) } else { nil }
            }
            if items != single { Issue.record("seed \(seed): \(list)") }
        }
    }

    private static func hasFraction(_ bytes: [UInt8]) -> Bool {
        zip(bytes, bytes.dropFirst()).contains { pair in
            (0x30...0x39).contains(pair.0) && [0x2E, 0x65, 0x45].contains(pair.1)
        }
    }

    /// True if damage has made two members of one object equal, or may have.
    private static func hasEqualKeys(_ bytes: [UInt8]) -> Bool {
        do throws(JSONError) {
            _ = try bytes.withBytes { bytes throws(JSONError) in try JSONValue(parsing: bytes) }
            return false
        } catch {
            return error.problem == .duplicateKey
        }
    }
}

private func sorted(_ map: [String: String]?) -> String {
    map.map { "\($0.sorted { $0.key < $1.key })" } ?? "nil"
}
