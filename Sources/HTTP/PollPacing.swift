/// Decides for how long the thread of a busy pool leaves arrived bytes unread, so that one wake-up handles several responses
/// or events. A pure state machine.
///
/// In each round, libcurl 7.88 polls the socket once for every transfer, also if 100 of them share it: a round costs more than
/// a response. And each wake-up finds the code that handles a response in no cache of the processor. Fewer rounds with more in
/// each save an eighth of the CPU time of a sync.
struct PollPacing {
    /// The longest pause. It also bounds the delay of a cancellation.
    static let longestPause = Duration.milliseconds(10)
    /// Fewer requests in flight than these are never delayed.
    static let busyRequests = 16
    /// A pause is at most this part of the time that a response takes anyway, so that it costs little throughput.
    static let shareOfResponseTime = 16
    /// Events are delayed after this many rounds with events and without a longer break between them.
    static let busyRounds = 8
    /// The pause before busy streams are read again.
    static let pauseOfStreams = Duration.milliseconds(5)
    /// Streams that deliver more bytes than this in one round carry a list, which is read as fast as possible.
    static let bytesOfEvents = 32 << 10

    private let mode: HTTPClientRequest.TransferMode
    private var meanResponseTime = Duration.zero
    private var lastRound: ContinuousClock.Instant?
    private var rounds = 0
    private var bytes = 0

    init(_ mode: HTTPClientRequest.TransferMode) {
        self.mode = mode
    }

    /// Records a complete response.
    mutating func responded(after time: Duration) {
        meanResponseTime += (time - meanResponseTime) / 16
    }

    /// Records bytes of a body that arrived since the last call of `pause`.
    mutating func received(byteCount: Int) {
        bytes += byteCount
    }

    /// Returns how long to wait before the next round, which there is a reason for at `now`.
    ///
    /// - Parameter inFlight: the number of transfers.
    mutating func pause(inFlight: Int, at now: ContinuousClock.Instant) -> Duration {
        switch mode {
        case .unary:
            guard inFlight >= Self.busyRequests else { return .zero }
            return min(meanResponseTime / Self.shareOfResponseTime, Self.longestPause)
        case .streaming:
            let isClose = lastRound.map { now - $0 < Self.longestPause } ?? false
            rounds = isClose && (1...Self.bytesOfEvents).contains(bytes) ? rounds + 1 : 0
            bytes = 0
            let pause = rounds > Self.busyRounds ? Self.pauseOfStreams : .zero
            lastRound = now + pause
            return pause
        }
    }
}
