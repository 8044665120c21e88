import Foundation
import Glibc
import Testing

@testable import Sessions

/// `SWINGMUSIC_CONFIG_DIR` may name swingmusic's own folder or the one above it, before or after swingmusic has made its files.
@Suite struct SwingmusicFolderTests {
    let house: Household

    /// `house.swingmusic` lies in `house.folder`.
    init() throws { house = try Household() }

    private func move(_ from: String, _ to: String) throws { try FileManager.default.moveItem(atPath: from, toPath: to) }

    private func status(_ worker: Sessions) throws -> Int { worker.user(.bearer(try house.foreignToken(user: 2))).status }

    @Test("swingmusic's own folder is taken, with a slash at its end or without")
    func own() throws {
        for named in [house.swingmusic, house.swingmusic + "/"] {
            #expect(SwingmusicFolder.look(at: named) == .own(house.swingmusic))
            #expect(try status(house.worker(named: named)) == 200)
        }
    }

    @Test("the folder above it is taken", arguments: ["swingmusic", ".swingmusic"])
    func above(_ name: String) throws {
        let own = house.folder + "/" + name
        if own != house.swingmusic { try move(house.swingmusic, own) }
        #expect(SwingmusicFolder.look(at: house.folder) == .inside(own))
        #expect(try status(house.worker(named: house.folder)) == 200)
        #expect(try UserCount(in: house.folder).users == 3)
    }

    @Test("nothing is there yet, and then swingmusic makes its folder in the named one")
    func appearsInside() throws {
        let away = house.folder + "/away"
        try move(house.swingmusic, away)
        #expect(SwingmusicFolder.look(at: house.folder) == .nowhere(house.folder))
        let worker = house.worker(named: house.folder)
        #expect(try status(worker) == 503)
        try move(away, house.swingmusic)
        #expect(try status(worker) == 200)
    }

    @Test("nothing is there yet, not even the named folder, and then it is swingmusic's own")
    func appearsAsNamed() throws {
        let named = house.folder + "/later"
        let worker = house.worker(named: named)
        #expect(try status(worker) == 503)
        try move(house.swingmusic, named)
        #expect(try status(worker) == 200)
        #expect(SwingmusicFolder.look(at: named) == .own(named))
    }

    @Test("swingmusic writes its settings before its database: what is there so far decides nothing")
    func halfMade() throws {
        let database = house.folder + "/swingmusic.db.away"
        try move(house.database, database)
        try "{}".write(toFile: house.folder + "/settings.json", atomically: true, encoding: .utf8)
        let worker = house.worker(named: house.folder)
        #expect(SwingmusicFolder.look(at: house.folder) == .own(house.folder))
        #expect(try status(worker) == 503)
        try move(database, house.database)
        #expect(try status(worker) == 200)
        #expect(SwingmusicFolder.look(at: house.folder) == .inside(house.swingmusic))
    }

    @Test("of two, the named folder goes before the one in it")
    func both() throws {
        try house.makeDatabase(at: house.folder + "/swingmusic.db", users: [("anna", #"["admin"]"#)])
        try FileManager.default.copyItem(atPath: house.swingmusic + "/settings.json", toPath: house.folder + "/settings.json")
        #expect(SwingmusicFolder.look(at: house.folder) == .own(house.folder))
        let worker = house.worker(named: house.folder)
        #expect(worker.user(.bearer(try house.foreignToken(user: 1))).text.contains("anna"))
        #expect(try status(worker) == 401)
    }

    @Test("what was found once stays, also while it is away")
    func settled() throws {
        let worker = house.worker(named: house.folder)
        #expect(try status(worker) == 200)
        try move(house.database, house.database + ".away")
        try house.makeDatabase(at: house.folder + "/swingmusic.db", users: [("x", "[]"), ("mallory", "[]")])
        #expect(try status(worker) == 503)
        try move(house.database + ".away", house.database)
        #expect(worker.user(.bearer(try house.foreignToken(user: 2))).text.contains("bob"))
    }
}
