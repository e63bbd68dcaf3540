import ArgumentParser
import Controller
import Logging
import ServiceLifecycle
import Serving

/// `--metrics-address`
enum MetricsAddress: ExpressibleByArgument {
    case off
    case listen(ListenAddress)

    static let defaultAddress: MetricsAddress = ListenAddress(":8080").map { .listen($0) } ?? .off

    init?(argument: String) {
        if argument == "off" {
            self = .off
        } else if let address = ListenAddress(argument) {
            self = .listen(address)
        } else {
            return nil
        }
    }

    var defaultValueDescription: String {
        switch self {
        case .off: "off"
        case .listen(let address): "\(address)"
        }
    }
}

/// Serves metrics and health until everything else has stopped.
struct AdminService: Service {
    private let server: AdminServer?

    /// Serves from now on.
    init(_ address: MetricsAddress, _ telemetry: Telemetry, logger: Logger) throws {
        guard case .listen(let address) = address else {
            server = nil
            return
        }
        do {
            let server = try AdminServer(address) { telemetry.page($0) }
            logger.info("serving metrics and health", metadata: ["port": "\(server.port)"])
            self.server = server
        } catch {
            throw CommandError("cannot serve on --metrics-address \(address): \(error)")
        }
    }

    func run() async {
        // Ends with the first of graceful shutdown and cancellation.
        try? await gracefulShutdown()
        await server?.stop()
    }
}
