/// A few words for a User-Agent (RFC 9110, section 10.1.5), so that a user recognises a session of theirs.
enum Device {
    static func name(userAgent: String?) -> String {
        guard let agent = userAgent, !agent.isEmpty else { return "Unknown device" }
        let program = programs.first { agent.contains($0.mark) }?.name
        let system = systems.first { agent.contains($0.mark) }?.name
        switch (program, system) {
        case (let program?, let system?): return "\(program) on \(system)"
        case (let program?, nil): return program
        case (nil, let system?): return "\(product(agent)) on \(system)"
        case (nil, nil): return product(agent)
        }
    }

    /// The first product's name, at most 40 letters, without anything that does not print.
    private static func product(_ agent: String) -> String {
        let name = agent.prefix { $0 != "/" && $0 != " " }.filter { $0.isLetter || $0.isNumber || "-_.".contains($0) }
        return name.isEmpty ? "Unknown device" : String(name.prefix(40))
    }

    // The order matters: most browsers name the ones that they want to be taken for as well.
    private static let programs: [(mark: String, name: String)] = [
        ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox/", "Firefox"), ("FxiOS", "Firefox"),
        ("CriOS", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari"), ("Dart/", "Swing Music app"), ("okhttp/", "Android app"),
        ("curl/", "curl"),
    ]

    private static let systems: [(mark: String, name: String)] = [
        ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS X", "macOS"), ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]
}
