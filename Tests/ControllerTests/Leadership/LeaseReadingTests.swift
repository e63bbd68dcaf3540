import JSON
import Testing

@testable import Controller

/// A lease that cannot be read could never be taken.
@Suite struct LeaseReadingTests {
    @Test func fieldsOfAnotherShapeAreLeftOut() throws {
        let text = #"""
            {"metadata":{"name":"l","namespace":"n","resourceVersion":"4"},"spec":{"holderIdentity":"me",
             "leaseDurationSeconds":"15","leaseTransitions":99999999999999999999,"renewTime":{"a":[]},"acquireTime":null}}
            """#
        let record = LeaseRecord(try JSONReader.read(Lease.self, from: Array(text.utf8)))
        #expect(record.holder == "me")
        #expect(record.durationSeconds == nil)
        #expect(record.transitions == 0)
        #expect(record.renewTime == nil)
        #expect(record.resourceVersion == "4")
    }

    @Test func aLeaseMayHaveNoSpec() throws {
        for spec in ["", #","spec":null"#, #","spec":[]"#] {
            let text = #"{"metadata":{"name":"l","resourceVersion":"4"}\#(spec)}"#
            #expect(LeaseRecord(try JSONReader.read(Lease.self, from: Array(text.utf8))).holder == "")
        }
    }
}
