import Cryptography
import Foundation
import JSON
import KubeClient
import Testing
import YAML

@testable import Resources

/// The code says of every object what the CRD says of it: the CLI has no CRD, and old servers prune CEL.
@Suite struct CRDCaseTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let object: Data
        let isAccepted: Bool
        let isUpdate: Bool

        var testDescription: String { name }
    }

    static let cases: [Case] = {
        guard let file = try? Vectors.file("crd/cases.yaml"),
            let rows = try? YAMLReader.documents(in: file, source: "cases.yaml").first?.elements
        else { return [] }
        return rows.compactMap { row in
            guard let name = row["name"]?.string, let object = row["object"] else { return nil }
            let json = JSONWriter.write([JSONValue(object)]).withUnsafeBytes { Data($0) }
            return Case(
                name: name, object: json, isAccepted: row["expect"]?.string == "ok",
                isUpdate: row["old"] != nil)
        }
    }()

    @Test func thereAreCases() {
        #expect(Self.cases.count > 100)
        #expect(Self.cases.contains { $0.isAccepted } && Self.cases.contains { !$0.isAccepted })
    }

    /// Why the code refuses an object; nil where it accepts it.
    private func refusal(_ data: Data) throws -> SpecError? {
        switch try JSONReader.read(Decoded<WrappedSecret>.self, from: Array(data)) {
        case .malformed(_, _, let problem): SpecError(.invalidSpec, problem)
        case .object(let object): ResourcesTests.refusal(object) ?? ciphertextRefusal(object)
        }
    }

    /// What is found when the ciphertexts are decoded, in order to be opened.
    private func ciphertextRefusal(_ object: WrappedSecret) -> SpecError? {
        do throws(SpecError) {
            _ = try object.sealedEnvelope()
            return nil
        } catch {
            return error
        }
    }

    /// Rules on a change need the object before it, which only the API server has.
    @Test(arguments: cases.filter { !$0.isUpdate || $0.isAccepted }) func codeAndCRDAgree(row: Case) throws {
        let refusal = try refusal(row.object)
        if row.isAccepted {
            // The CRD stores formats that are newer than the controller.
            #expect(refusal == nil || refusal?.reason == .unsupportedFormat)
        } else {
            #expect(refusal != nil, "the CRD refuses it")
            #expect(refusal?.message.contains("\n") != true, "one line")
        }
    }
}
