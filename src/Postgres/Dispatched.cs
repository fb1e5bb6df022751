using Npgsql;

namespace Jobs.Postgres;

/// <summary>Jobs that have just been queued, and those of them that plain SQL or a DbContext had written, so that nobody has counted them.</summary>
internal sealed record Dispatched(List<Ticket> Tickets, List<Ticket> New)
{
    internal static async Task<Dispatched> ReadAsync(NpgsqlCommand command, CancellationToken ct)
    {
        await using (command)
        {
            await using var reader = await command.ExecuteReaderAsync(ct);
            var dispatched = new Dispatched([], []);
            while (await reader.ReadAsync(ct))
            {
                var ticket = new Ticket(new JobId(reader.GetGuid(0)), reader.GetInt32(1), reader.GetString(2), (byte)reader.GetInt16(3), reader.GetString(4));
                dispatched.Tickets.Add(ticket);
                if (!reader.IsDBNull(5) && reader.GetBoolean(5))
                {
                    dispatched.New.Add(ticket);
                }
            }

            return dispatched;
        }
    }
}
