import Cryptography
import Foundation
import JSON
import KubeClient
import Testing
import YAML

@testable import Resources

/// Tests that the code and the CRD accept the same objects: the CLI has no CRD, and old API servers drop CEL rules.
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
            let elements = try? YAMLReader.documents(in: file, source: "cases.yaml").first?.elements
        else { return [] }
        return elements.compactMap { testCase in
            guard let name = testCase["name"]?.string, let object = testCase["object"] else { return nil }
            let json = JSONWriter.write([JSONValue(object)]).withUnsafeBytes { Data($0) }
            return Case(
                name: name, object: json, isAccepted: testCase["expect"]?.string == "ok",
                isUpdate: testCase["old"] != nil)
        }
    }()

    @Test func hasCases() {
        #expect(Self.cases.count > 100)
        #expect(Self.cases.contains { $0.isAccepted })
        #expect(Self.cases.contains { !$0.isAccepted })
    }

    /// Returns the error of the code, or nil if it accepts the object.
    private func refusal(_ data: Data) throws -> SpecError? {
        switch try JSONReader.read(Decoded<WrappedSecret>.self, from: Array(data)) {
        case .malformed(_, _, let problem): SpecError(.invalidSpec, problem)
        case .object(let object): ResourcesTests.refusal(object) ?? ciphertextRefusal(object)
        }
    }

    /// Returns the error of decoding the ciphertexts, or nil if they are valid.
    private func ciphertextRefusal(_ object: WrappedSecret) -> SpecError? {
        do throws(SpecError) {
            _ = try object.sealedEnvelope()
            return nil
        } catch {
            return error
        }
    }

    /// Transition rules need the previous object, which only the API server has.
    @Test(arguments: cases.filter { !$0.isUpdate || $0.isAccepted }) func acceptsTheSameObjectsAsTheCRD(
        testCase: Case
    ) throws {
        let refusal = try refusal(testCase.object)
        if testCase.isAccepted {
            // The CRD stores formats that are newer than the controller.
            #expect(refusal == nil || refusal?.reason == .unsupportedFormat)
        } else {
            #expect(refusal != nil, "the CRD refuses the object")
            #expect(refusal?.message.contains("\n") != true, "the message has one line")
        }
    }
}
