import Testing

@testable import Controller

struct InformerStartTests {
    @Test func startsOnceWhenNothingIsMissing() {
        var start = InformerStart()
        #expect(start.advance(.objectsListed) == .waiting)
        #expect(start.advance(.objectsListed) == .waiting)
        #expect(start.advance(.leading) == .waiting)
        #expect(!start.hasStarted)
        #expect(start.advance(.secretsListed) == .starting(isTakeover: false))
        #expect(start.hasStarted)
        #expect(start.advance(.secretsListed) == .started)
        #expect(start.advance(.objectsListed) == .started)
    }

    @Test func aStandbyStartsWhenItLeads() {
        var start = InformerStart()
        #expect(start.advance(.objectsListed) == .waiting)
        #expect(start.advance(.secretsListed) == .complete)
        #expect(start.advance(.secretsListed) == .waiting)
        #expect(start.advance(.leading) == .starting(isTakeover: true))
        #expect(start.advance(.objectsListed) == .started)
    }
}
