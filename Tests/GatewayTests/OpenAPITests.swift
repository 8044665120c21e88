import Foundation
import JSON
import Testing

@testable import Gateway

/// The description is held against the router: a method that no path has is 405 with the methods that there are, and 404 where there
/// is no path.
@Suite struct OpenAPITests {
    let stage: GatewayStage
    init() throws { stage = try GatewayStage() }

    static let prefixes = OpenAPIDocument.families.map(\.prefix)

    @Test("Every family of the router is described, and no other")
    func families() {
        #expect(stage.gateway.router.families.map(\.prefix).sorted() == Self.prefixes.sorted())
    }

    @Test("What is described is there, with the methods that are described", arguments: DescribedRoute.all.map(\.template))
    func described(_ template: String) throws {
        let path = try #require(DescribedRoute.all.first { $0.template == template })
        let response = try #require(stage.ask("BREW", path.example))
        // nginx asks with any method.
        guard template != "/auth/verify" else { return #expect(response.status == 204) }
        #expect(response.status == 405)
        #expect(Self.allowed(response.header("Allow")) == path.methods)
    }

    /// Whoever adds a route writes its words down in the family's sources; all paths that can be made of them are tried.
    @Test("What is there is described", arguments: prefixes)
    func known(_ prefix: String) throws {
        let parts = try Self.words(of: prefix) + ["5111111111111111111111", "temp"]
        var found: Set<String> = []
        for path in parts.flatMap({ one in [one] + parts.flatMap { two in ["\(one)/\(two)"] + parts.map { "\(one)/\(two)/\($0)" } } }) {
            // What the mirror refuses whatever it is asked for with is no route.
            let none = prefix == "/spotify/v1/" ? [401, 403, 404] : [404]
            guard let response = stage.ask("BREW", prefix + path), !none.contains(response.status) else { continue }
            // That is none of ours.
            if response.header("X-Accel-Redirect") != nil { continue }
            let route = DescribedRoute.all.first { $0.fits(prefix + path) }
            guard let route else {
                Issue.record("\(prefix + path) is not described in Sources/Gateway/OpenAPI")
                return
            }
            found.insert(route.template)
            guard response.status == 405 else { continue }
            #expect(Self.allowed(response.header("Allow")) == route.methods, "\(prefix + path)")
        }
        // Else the words were not found.
        #expect(found == Set(DescribedRoute.all.map(\.template).filter { $0.hasPrefix(prefix) }))
    }

    /// HEAD goes with GET, and OPTIONS is answered below /auth/ whatever is asked.
    private static func allowed(_ header: String?) -> Set<String> {
        Set((header ?? "").split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces).lowercased() }).subtracting([
            "head", "options",
        ])
    }

    /// The literals of a family's routing that can stand in a path.
    private static func words(of prefix: String) throws -> [String] {
        let files = [
            "/spotify/v1/": ["Routes/SpotifyRoutes"], "/api/catalog/": ["Routes/CatalogRoutes"],
            "/auth/": ["Routes/AuthRoutes"], "/cache/": ["Routes/CacheRoutes"],
            "/dragonfly/": ["Routes/DashboardRoutes"], "/swingmusic-fcgi/": ["Routes/HealthRoutes"],
        ]
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let texts = try #require(files[prefix], "name the sources of \(prefix) here").map {
            try String(contentsOf: root.appending(path: "Sources/Gateway/\($0).swift"), encoding: .utf8)
        }
        let literals = texts.flatMap { $0.matches(of: /"([a-z][a-z0-9.\-]*(?:\/[a-z0-9.\-]*)*)"/).map { String($0.1) } }
        return Set(literals.flatMap { $0.split(separator: "/").map(String.init) }).sorted()
    }
}

/// A described path as a whole.
struct DescribedRoute {
    let template: String
    let path: DescribedPath

    static let all = OpenAPIDocument.families.flatMap { family in
        family.paths.map { DescribedRoute(template: family.prefix + $0.template, path: $0) }
    }

    var methods: Set<String> { Set(path.operations.map(\.method.rawValue)) }

    /// With the parameters' examples.
    var example: String {
        path.operations.flatMap(\.parameters).reduce(template) { path, parameter in
            switch parameter.example {
            case .string(let value), .number(let value): path.replacing("{\(parameter.name)}", with: value)
            default: path
            }
        }
    }

    /// A parameter stands for one part of a path; the key of a cache for the rest.
    func fits(_ path: String) -> Bool {
        let parts = path.split(separator: "/")
        let wanted = template.split(separator: "/")
        guard parts.count == wanted.count || (wanted.last == "{key}" && parts.count > wanted.count) else { return false }
        return zip(parts, wanted).allSatisfy { part, wanted in wanted.hasPrefix("{") || part == wanted }
    }
}
