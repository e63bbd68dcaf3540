/// A parser of outside bytes, with the properties that hold for every input.
struct FuzzTarget: Sendable {
    enum Check: Sendable {
        case immediate(@Sendable ([UInt8]) throws -> Void)
        case asynchronous(@Sendable ([UInt8]) async throws -> Void)
    }

    let name: String
    /// The longest input that libFuzzer makes. Longer ones cost time and show nothing new.
    let maximumLength: Int
    /// Inputs to begin with.
    let seeds: @Sendable () -> [[UInt8]]
    /// Throws a `PropertyViolation` if a property does not hold.
    let check: Check

    init(
        _ name: String, maximumLength: Int = 4096, seeds: @escaping @Sendable () -> [[UInt8]],
        check: @escaping @Sendable ([UInt8]) throws -> Void
    ) {
        self.name = name
        self.maximumLength = maximumLength
        self.seeds = seeds
        self.check = .immediate(check)
    }

    init(
        _ name: String, maximumLength: Int = 4096, seeds: @escaping @Sendable () -> [[UInt8]],
        awaiting check: @escaping @Sendable ([UInt8]) async throws -> Void
    ) {
        self.name = name
        self.maximumLength = maximumLength
        self.seeds = seeds
        self.check = .asynchronous(check)
    }

    func run(_ input: [UInt8]) async throws {
        switch check {
        case .immediate(let check): try check(input)
        case .asynchronous(let check): try await check(input)
        }
    }

    /// All targets, by name.
    static let all: [FuzzTarget] = {
        let groups: [[FuzzTarget]] = [
            jsonTargets, clientTargets, serverTargets, objectTargets, watchTargets, configurationTargets,
            vaultTargets, awsTargets, cloudTargets, yamlTargets, manifestTargets, diffTargets,
            commandFileTargets, sealedSecretTargets, pathPatternTargets, commandTargets,
            encodingTargets,
        ]
        return groups.flatMap { $0 }.sorted { $0.name < $1.name }
    }()
}
