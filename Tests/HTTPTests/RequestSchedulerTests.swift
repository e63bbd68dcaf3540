import Testing

@testable import HTTP

struct RequestSchedulerTests {
    private let origin = "https://a:443"

    private func machine(connections: Int = 2, streams: Int = 4) -> RequestScheduler<Int> {
        RequestScheduler(.init(connections: connections, streams: streams))
    }

    @Test func startsOneRequestUntilTheConnectionIsReady() {
        var machine = machine()
        for id in 1...9 { machine.enqueue(id, origin) }
        #expect(machine.dequeueReady() == [1])
        #expect(machine.dequeueReady() == [])
        #expect(machine.connectionReady(1, origin, .http2, isNew: true) == true)
        #expect(machine.dequeueReady() == [2])
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
        #expect(machine.connectionReady(1, "http://a:80", .http1, isNew: true) == true)
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
        #expect(machine.connectionReady(2, origin, .http2, isNew: true) == true)
        #expect(machine.dequeueReady() == [])
    }

    @Test func reopensALostConnectionWithOneRequest() {
        var machine = machine(connections: 9, streams: 10)
        for id in 1...3 { machine.enqueue(id, origin) }
        _ = machine.dequeueReady()
        #expect(machine.connectionReady(1, origin, .http2, isNew: true) == true)
        #expect(machine.dequeueReady() == [2, 3])
        #expect(machine.connectionReady(2, origin, .http2, isNew: true) == true)
        #expect(machine.connectionReady(3, origin, .http2, isNew: true) == true)
        for id in 4...6 { machine.enqueue(id, origin) }
        #expect(machine.finished(1, origin, isConnectionLost: true) == [])
        #expect(machine.dequeueReady() == [4])
        #expect(machine.dequeueReady() == [])
        #expect(machine.connectionReady(4, origin, .http2, isNew: true) == true)
        #expect(machine.dequeueReady() == [5, 6])
    }

    @Test func sendsNoRequestThatOffersHTTP2OverHTTP1() {
        var machine = machine(connections: 3, streams: 10)
        for id in 1...3 { machine.enqueue(id, origin) }
        #expect(machine.dequeueReady() == [1])
        #expect(machine.offer(of: 1, origin) == .newConnection)
        #expect(machine.connectionReady(1, origin, .http2, isNew: true) == true)
        #expect(machine.dequeueReady() == [2, 3])
        #expect(machine.offer(of: 2, origin) == .http2)
        // Another connection to the same name has reached another server.
        #expect(machine.connectionReady(2, origin, .http1, isNew: true) == false)
        #expect(machine.offer(of: 2, origin) == .http1)
        #expect(machine.connectionReady(2, origin, .http1, isNew: true) == true)
        // The third had begun before, and may go on over the first connection.
        #expect(machine.connectionReady(3, origin, .http2, isNew: true) == true)
        for id in 1...2 { #expect(machine.finished(id, origin, isConnectionLost: false) == []) }
        machine.enqueue(4, origin)
        #expect(machine.dequeueReady() == [4])
        #expect(machine.offer(of: 4, origin) == .http1)
    }

    @Test func offersHTTP2AgainOnceNoOtherRequestIsInProgress() {
        var machine = RequestScheduler<Int>(.init(connections: 2, http1Requests: 3))
        func end(_ id: Int) { #expect(machine.finished(id, origin, isConnectionLost: false) == []) }
        for id in 1...4 { machine.enqueue(id, origin) }
        #expect(machine.dequeueReady() == [1])
        #expect(machine.connectionReady(1, origin, .http1, isNew: true) == true)
        #expect(machine.dequeueReady() == [2])
        #expect(machine.connectionReady(2, origin, .http1, isNew: true) == true)
        end(1)
        end(2)
        #expect(machine.dequeueReady() == [3, 4])
        for id in 3...4 { #expect(machine.connectionReady(id, origin, .http1, isNew: true) == true) }
        end(3)
        machine.enqueue(5, origin)
        #expect(machine.dequeueReady() == [5])
        #expect(machine.offer(of: 5, origin) == .http1)
        end(4)
        end(5)
        machine.enqueue(6, origin)
        #expect(machine.dequeueReady() == [6])
        #expect(machine.offer(of: 6, origin) == .newConnection)
    }

    /// An idle connection may be left from the time before the origin has changed to HTTP/2.
    @Test func triesANewConnectionAfterAReusedOneOfHTTP1() {
        var machine = machine()
        machine.enqueue(1, origin)
        #expect(machine.dequeueReady() == [1])
        #expect(machine.connectionReady(1, origin, .http2, isNew: true) == true)
        machine.enqueue(2, origin)
        #expect(machine.dequeueReady() == [2])
        #expect(machine.connectionReady(2, origin, .http1, isNew: false) == false)
        #expect(machine.offer(of: 2, origin) == .newConnection)
        #expect(machine.connectionReady(2, origin, .http2, isNew: true) == true)
        for id in 1...2 { #expect(machine.finished(id, origin, isConnectionLost: false) == []) }
        machine.enqueue(3, origin)
        #expect(machine.dequeueReady() == [3])
        #expect(machine.offer(of: 3, origin) == .http2)
        // Beside another request, also a new connection of HTTP/1.1 is not used.
        #expect(machine.connectionReady(3, origin, .http2, isNew: false) == true)
        machine.enqueue(4, origin)
        #expect(machine.dequeueReady() == [4])
        #expect(machine.connectionReady(4, origin, .http1, isNew: false) == false)
        #expect(machine.connectionReady(4, origin, .http1, isNew: true) == false)
        #expect(machine.offer(of: 4, origin) == .http1)
        #expect(machine.connectionReady(4, origin, .http1, isNew: true) == true)
    }

    @Test func offersHTTP1AloneOverPlainHTTP() {
        var machine = RequestScheduler<Int>(.init(connections: 1, http1Requests: 1))
        for id in 1...2 {
            machine.enqueue(id, "http://a:80")
            #expect(machine.dequeueReady() == [id])
            #expect(machine.offer(of: id, "http://a:80") == .http1)
            #expect(machine.connectionReady(id, "http://a:80", .http1, isNew: true) == true)
            #expect(machine.finished(id, "http://a:80", isConnectionLost: false) == [])
        }
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
                case 2, 3:
                    guard let id = active.randomElement() else { continue }
                    let offer = machine.offer(of: id, origin)
                    let isHTTP2 = offer != .http1 && Bool.random(using: &random)
                    let isNew = offer == .newConnection || Bool.random(using: &random)
                    let isFirst = offer == .newConnection && active.count == 1
                    let mayBeSent = machine.connectionReady(
                        id, origin, isHTTP2 ? .http2 : .http1, isNew: isNew)
                    #expect(mayBeSent == (isHTTP2 || offer == .http1 || isFirst))
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
