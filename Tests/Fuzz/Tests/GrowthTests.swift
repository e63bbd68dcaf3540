import Testing

/// The judgement of `hack/fuzz growth` over given times.
struct GrowthTests {
    /// Returns the times of seven sizes that double, with what `seconds` returns for each.
    private func measurement(_ seconds: (Double) -> Double) -> GrowthCase.Measurement {
        var measurement = GrowthCase.Measurement()
        measurement.points = (0..<7).map { .init(bytes: 4096 << $0, seconds: seconds(Double(1 << $0))) }
        return measurement
    }

    /// Returns the memory of seven sizes, in megabytes that `memory` returns for each.
    private func memoryMeasurement(_ memory: (Int) -> Int) -> GrowthCase.Measurement {
        var measurement = GrowthCase.Measurement()
        measurement.points = (0..<7).map {
            .init(bytes: 4096 << $0, seconds: 0, memory: memory(1 << $0) << 20)
        }
        return measurement
    }

    @Test func quadraticMemoryIsRefused() {
        let measured = memoryMeasurement { 2 * $0 * $0 }
        #expect(!measured.isAtMostLinear)
        #expect(memoryMeasurement { 2 * $0 }.isAtMostLinear)
    }

    @Test func muchMemoryForEachByteIsRefused() {
        #expect(!memoryMeasurement { 3 * $0 }.isOfModerateMemory)
        #expect(memoryMeasurement { $0 }.isOfModerateMemory)
        #expect(memoryMeasurement { $0 }.memoryPerByte == 256)
    }

    @Test func linearTimesAreAccepted() throws {
        let measured = measurement { 0.01 * $0 }
        #expect(measured.isAtMostLinear)
        #expect(abs(try #require(measured.factor) - 2) < 0.01)
    }

    @Test func quadraticTimesAreRefused() {
        #expect(!measurement { 0.01 * $0 * $0 }.isAtMostLinear)
    }

    @Test func aQuadraticPartAsLargeAsHalfTheTimeIsRefused() {
        #expect(!measurement { 0.001 * $0 + 0.0001 * $0 * $0 }.isAtMostLinear)
    }

    /// Noise, or memory that no longer fits into a cache.
    @Test func oneTimeThatIsTooLongIsAccepted() {
        #expect(measurement { $0 == 16 ? 0.01 * $0 * 1.6 : 0.01 * $0 }.isAtMostLinear)
        #expect(measurement { $0 >= 16 ? 0.01 * $0 * 1.6 : 0.01 * $0 }.isAtMostLinear)
    }

    @Test func timesOfMicrosecondsTellNothing() {
        let measured = measurement { 0.000001 * $0 * $0 }
        #expect(measured.isAtMostLinear)
        #expect(measured.description.hasSuffix("too short to tell"))
    }
}
