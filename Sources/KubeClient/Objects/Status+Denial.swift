extension Status {
    /// That an admission webhook or policy refused the request, and which; nil: it is something else. Without the reason
    /// that it gave, which may quote the request.
    package var admissionDenial: String? {
        guard let message else { return nil }
        for (start, end) in Self.denials {
            guard let from = message.firstRange(of: start)?.lowerBound,
                let to = message[from...].firstRange(of: end)?.upperBound
            else { continue }
            return String(message[from..<to].prefix(512))
        }
        return nil
    }

    /// How the API server begins, perhaps after the object's name, and how it goes on before the reason.
    private static let denials = [
        ("admission webhook \"", "denied the request"), ("ValidatingAdmissionPolicy '", "denied request"),
    ]
}
