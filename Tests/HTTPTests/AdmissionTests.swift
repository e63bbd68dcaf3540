import Testing

@testable import HTTP

struct AdmissionTests {
    private let origin = "https://a:443"

    private func machine(connections: Int = 2, streams: Int = 4) -> Admission<Int> {
        Admission(.init(connections: connections, streams: streams))
    }

    @Test func oneGoesAheadToMakeTheConnection() {
        var machine = machine()
        for id in 1...9 { machine.arrive(id, origin) }
        #expect(machine.admit() == [1])
        #expect(machine.admit() == [])
        machine.connected(1, origin)
        // Until the answer tells, it may be HTTP/1.1.
        #expect(machine.admit() == [2])
        machine.answered(origin, .http2)
        #expect(machine.admit() == [])
        // Each that goes well makes room for one more, up to the limit.
        #expect(machine.ended(1, origin, isConnectionLost: false) == [])
        #expect(machine.admit() == [3, 4])
        #expect(machine.ended(2, origin, isConnectionLost: false) == [])
        #expect(machine.admit() == [5, 6])
        #expect(machine.ended(3, origin, isConnectionLost: false) == [])
        #expect(machine.admit() == [7])
    }

    @Test func plainHTTPNeedsNoScout() {
        var machine = machine()
        for id in 1...3 { machine.arrive(id, "http://a:80") }
        #expect(machine.admit() == [1, 2])
        machine.connected(1, "http://a:80")
        #expect(machine.ended(2, "http://a:80", isConnectionLost: true) == [])
        #expect(machine.admit() == [3])
    }

    @Test func originsDoNotWaitForEachOther() {
        var machine = machine()
        machine.arrive(1, origin)
        machine.arrive(2, "https://b:443")
        #expect(Set(machine.admit()) == [1, 2])
    }

    @Test func thoseWhoWaitForAConnectionShareItsFate() {
        var machine = machine()
        for id in 1...3 { machine.arrive(id, origin) }
        #expect(machine.admit() == [1])
        #expect(machine.ended(1, origin, isConnectionLost: true) == [2, 3])
        machine.arrive(4, origin)
        #expect(machine.admit() == [4])
    }

    @Test func aScoutThatIsCancelledIsReplaced() {
        var machine = machine()
        for id in 1...3 { machine.arrive(id, origin) }
        #expect(machine.admit() == [1])
        #expect(machine.ended(1, origin, isConnectionLost: false) == [])
        #expect(machine.admit() == [2])
        #expect(machine.ended(3, origin, isConnectionLost: false) == [])
        machine.connected(2, origin)
        #expect(machine.admit() == [])
    }

    @Test func aLostConnectionIsRemadeByOne() {
        var machine = machine(connections: 9, streams: 10)
        for id in 1...3 { machine.arrive(id, origin) }
        _ = machine.admit()
        machine.connected(1, origin)
        machine.answered(origin, .http2)
        #expect(machine.admit() == [2, 3])
        machine.connected(2, origin)
        machine.connected(3, origin)
        for id in 4...6 { machine.arrive(id, origin) }
        #expect(machine.ended(1, origin, isConnectionLost: true) == [])
        #expect(machine.admit() == [4])
        #expect(machine.admit() == [])
        machine.connected(4, origin)
        #expect(machine.admit() == [5, 6])
    }

    @Test func nobodyIsForgottenAndLimitsHold() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            var machine = machine(connections: 2, streams: 5)
            var arrived = 0
            var waiting: Set<Int> = []
            var active: Set<Int> = []
            for _ in 0..<200 {
                switch Int.random(in: 0..<5, using: &random) {
                case 0, 1:
                    machine.arrive(arrived, origin)
                    waiting.insert(arrived)
                    arrived += 1
                case 2:
                    if let id = active.randomElement() { machine.connected(id, origin) }
                case 3:
                    machine.answered(origin, Bool.random(using: &random) ? .http2 : .http1)
                default:
                    guard let id = active.union(waiting).randomElement() else { continue }
                    let isLost = active.contains(id) && Bool.random(using: &random)
                    let followers = machine.ended(id, origin, isConnectionLost: isLost)
                    #expect(waiting.isSuperset(of: followers))
                    active.remove(id)
                    waiting.remove(id)
                    waiting.subtract(followers)
                }
                for id in machine.admit() {
                    #expect(waiting.remove(id) != nil)
                    active.insert(id)
                }
                #expect(active.count <= 5)
                #expect(!active.isEmpty || waiting.isEmpty)
            }
        }
    }
}
