namespace Jobs.Tests.Architecture;

public sealed class ArrowTests
{
    private static readonly List<Room> Real = [.. Repository.Rooms.Select(Room.Read)];

    [Fact]
    public void Rooms_know_only_what_the_map_allows() => Repository.None(Arrows.Objections(Real));

    [Fact]
    public void Every_exception_is_still_needed() => Repository.None(Arrows.Stale(Real));

    [Fact]
    public void Rooms_are_read_as_they_are()
    {
        Assert.True(Real.Count >= 7, "the seven rooms of the engine are there");
        var postgres = Real.Single(r => r.Name == "Postgres");
        Assert.Equal(["Contracts"], postgres.Rooms);
        Assert.Contains("Npgsql", postgres.Packages);
        Assert.Contains("Npgsql.NpgsqlCommand", postgres.Types);
        Assert.Contains(postgres.Texts, Arrows.IsSql);
        Assert.Equal(new HashSet<string> { "Contracts", "Postgres", "RabbitMq", "Coordination" }, Real.Single(r => r.Name == "Worker").Rooms);
        Assert.Contains("RabbitMQ.Client.IChannel", Real.Single(r => r.Name == "RabbitMq").Types);
    }

    /// <summary>A made-up house that breaks each rule once: a check that finds nothing here would find nothing anywhere.</summary>
    [Fact]
    public void Each_broken_rule_is_objected_to()
    {
        Room[] broken =
        [
            Made("Contracts", packages: ["Newtonsoft.Json"]),
            Made("Postgres", rooms: ["Contracts", "RabbitMq"], types: ["Npgsql.NpgsqlCommand"], texts: ["select 1"]),
            Made("RabbitMq", rooms: ["Postgres"], types: ["RabbitMQ.Client.IChannel"]),
            Made("Coordination", rooms: ["Producer"]),
            Made("Producer", rooms: ["Worker", "Contracts"], types: ["Npgsql.NpgsqlTransaction", "Npgsql.NpgsqlCommand"]),
            Made("Worker", rooms: ["Scheduler"], types: ["RabbitMQ.Client.IChannel"]),
            Made("Scheduler", rooms: ["Producer"], texts: ["delete from jobs.job"]),
            Made("Cli", types: ["NpgsqlTypes.NpgsqlDbType"]),
            Made("Helpers"),
        ];
        Assert.Equal(
        [
            "Contracts must not need a package, but needs Newtonsoft.Json.",
            "Postgres must not know RabbitMq.",
            "RabbitMq must not know Postgres.",
            "Coordination must not know Producer.",
            "Producer must not know Worker.",
            "Producer must not name Npgsql.NpgsqlCommand: that is the business of Postgres.",
            "Worker must not know Scheduler.",
            "Worker must not name RabbitMQ.Client.IChannel: that is the business of RabbitMq.",
            "Scheduler must not know Producer.",
            "Scheduler must not speak SQL: \"delete from jobs.job\".",
            "Cli must not name NpgsqlTypes.NpgsqlDbType: that is the business of Postgres.",
            "Helpers is a name that says nothing; name the room after what it does.",
            "Helpers is not on the map; give it its arrows in Arrows.cs and in docs/ARCHITECTURE.md.",
        ], Arrows.Objections(broken));
        Assert.NotEmpty(Arrows.Stale([Made("Worker")]));
    }

    [Theory]
    [InlineData("select 1", true)]
    [InlineData("  update jobs.job set x = 1", true)]
    [InlineData("with a as materialized (", true)]
    [InlineData("with recursive a as (", true)]
    [InlineData("insert into ", true)]
    [InlineData("set enable_seqscan = off", true)]
    [InlineData("create table if not exists x", true)]
    [InlineData("set it to an Npgsql connection string", false)]
    [InlineData("Update jobs later", false)]
    [InlineData("update the schema first", false)]
    [InlineData("selected", false)]
    [InlineData("a deleted row", false)]
    public void Sql_is_told_from_words(string text, bool sql) => Assert.Equal(sql, Arrows.IsSql(text));

    private static Room Made(string name, string[]? rooms = null, string[]? packages = null, string[]? types = null, string[]? texts = null) =>
        new(name, (rooms ?? []).ToHashSet(), (packages ?? []).ToHashSet(), types ?? [], texts ?? []);
}
