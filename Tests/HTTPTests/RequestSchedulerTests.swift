import Testing

@testable import HTTP

struct AdmissionTests {
    private let origin = "https://a:443"

    private func machine(connections: Int = 2, streams: Int = 4) -> RequestScheduler<Int> {
        RequestScheduler(.init(connections: connections, streams: streams))
    }

    @Test func startsOneRequestUntilTheConnectionIsReady() {
        var machine = machine()
        for id in 1...9 { machine.enqueue(id, origin) }
        #expect(machine.dequeueReady() == [1])
        #expect(machine.dequeueReady() == [])
        machine.connectionReady(1, origin)
        // Until a response arrives, the server may speak HTTP/1.1.
        #expect(machine.dequeueReady() == [2])
        machine.negotiated(origin, .http2)
        #expect(machine.dequeueReady() == [])
        // Each successful request raises the limit by one stream.
        #expect(machine.finished(1, origin, isConnectionLost: false) == [])
        #expect(machine.dequeueReady() == [3, 4])
        #expect(machine.finished(2, origin, isConnectionLost: false) == [])
        #expect(machine.dequeueReady() == [5, 6])
        #expect(machine.finished(3, origin, isConnectionLost: false) == [])
        #expect(machine.dequeueReady() == [7])
    }

    @Test func startsSeveralRequestsAtOnceOverPlainHTTP() {
        var machine = machine()
        for id in 1...3 { machine.enqueue(id, "http://a:80") }
        #expect(machine.dequeueReady() == [1, 2])
        machine.connectionReady(1, "http://a:80")
        #expect(machine.finished(2, "http://a:80", isConnectionLost: true) == [])
        #expect(machine.dequeueReady() == [3])
    }

    @Test func schedulesOriginsIndependently() {
        var machine = machine()
        machine.enqueue(1, origin)
        machine.enqueue(2, "https://b:443")
        #expect(Set(machine.dequeueReady()) == [1, 2])
    }

    @Test func failsWaitingRequestsWithTheirConnection() {
        var machine = machine()
        for id in 1...3 { machine.enqueue(id, origin) }
        #expect(machine.dequeueReady() == [1])
        #expect(machine.finished(1, origin, isConnectionLost: true) == [2, 3])
        machine.enqueue(4, origin)
        #expect(machine.dequeueReady() == [4])
    }

    @Test func startsTheNextRequestWhenTheFirstIsCancelled() {
        var machine = machine()
        for id in 1...3 { machine.enqueue(id, origin) }
        #expect(machine.dequeueReady() == [1])
        #expect(machine.finished(1, origin, isConnectionLost: false) == [])
        #expect(machine.dequeueReady() == [2])
        #expect(machine.finished(3, origin, isConnectionLost: false) == [])
        machine.connectionReady(2, origin)
        #expect(machine.dequeueReady() == [])
    }

    @Test func reopensALostConnectionWithOneRequest() {
        var machine = machine(connections: 9, streams: 10)
        for id in 1...3 { machine.enqueue(id, origin) }
        _ = machine.dequeueReady()
        machine.connectionReady(1, origin)
        machine.negotiated(origin, .http2)
        #expect(machine.dequeueReady() == [2, 3])
        machine.connectionReady(2, origin)
        machine.connectionReady(3, origin)
        for id in 4...6 { machine.enqueue(id, origin) }
        #expect(machine.finished(1, origin, isConnectionLost: true) == [])
        #expect(machine.dequeueReady() == [4])
        #expect(machine.dequeueReady() == [])
        machine.connectionReady(4, origin)
        #expect(machine.dequeueReady() == [5, 6])
    }

    @Test func startsEveryRequestWithinTheLimitsForRandomInput() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            var machine = machine(connections: 2, streams: 5)
            var arrived = 0
            var waiting: Set<Int> = []
            var active: Set<Int> = []
            for _ in 0..<200 {
                switch Int.random(in: 0..<5, using: &random) {
                case 0, 1:
                    machine.enqueue(arrived, origin)
                    waiting.insert(arrived)
                    arrived += 1
                case 2:
                    if let id = active.randomElement() { machine.connectionReady(id, origin) }
                case 3:
                    machine.negotiated(origin, Bool.random(using: &random) ? .http2 : .http1)
                default:
                    guard let id = active.union(waiting).randomElement() else { continue }
                    let isLost = active.contains(id) && Bool.random(using: &random)
                    let followers = machine.finished(id, origin, isConnectionLost: isLost)
                    #expect(waiting.isSuperset(of: followers))
                    active.remove(id)
                    waiting.remove(id)
                    waiting.subtract(followers)
                }
                for id in machine.dequeueReady() {
                    #expect(waiting.remove(id) != nil)
                    active.insert(id)
                }
                #expect(active.count <= 5)
                #expect(!active.isEmpty || waiting.isEmpty)
            }
        }
    }
}
