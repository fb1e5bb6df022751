using Jobs.RabbitMq;

namespace Jobs.Tests.Engine;

/// <summary>The window of unconfirmed messages, against a model of it that is obviously right.</summary>
public sealed class ConfirmWindowTests
{
    [Fact]
    public async Task Full_window_takes_no_more_until_its_oldest_message_is_settled()
    {
        var window = new ConfirmWindow<string>(2);
        Assert.True(window.TryAdd("a", 0, out var room));
        Assert.True(room.IsCompleted);
        Assert.True(window.TryAdd("b", 0, out _));
        Assert.False(window.TryAdd("c", 0, out room));
        Assert.False(room.IsCompleted);
        window.Settle(2, multiple: false, 0); // b: its place cannot be used while a is open
        Assert.False(room.IsCompleted);
        window.Settle(1, multiple: false, 0);
        await room.InTimeAsync();
        Assert.True(window.TryAdd("c", 0, out _));
        Assert.Equal(["c"], window.Abandon());
    }

    [Fact]
    public void Confirm_of_many_settles_all_up_to_its_tag_and_a_refusal_names_each()
    {
        var window = new ConfirmWindow<string>(10);
        foreach (var message in new[] { "a", "b", "c", "d", "e" })
        {
            window.TryAdd(message, 0, out _);
        }

        var refused = new List<string>();
        window.Settle(2, multiple: false, 0);
        window.Settle(3, multiple: true, 0, refused.Add);
        Assert.Equal(["a", "c"], refused);
        Assert.Equal(2, window.Open);
        window.Settle(3, multiple: true, 0, refused.Add); // again, and unknown ones: nothing
        window.Settle(0, multiple: false, 0, refused.Add);
        window.Settle(99, multiple: false, 0, refused.Add);
        Assert.Equal((2, 2), (refused.Count, window.Open));
        Assert.Equal(["d", "e"], window.Abandon());
        Assert.Equal(0, window.Open);
    }

    [Fact]
    public async Task Whoever_waits_for_room_is_let_go_when_the_window_is_abandoned()
    {
        var window = new ConfirmWindow<int>(1);
        window.TryAdd(1, 0, out _);
        window.TryAdd(2, 0, out var room);
        Assert.Equal([1], window.Abandon());
        await room.InTimeAsync();
    }

    [Fact]
    public void Progress_is_the_first_message_of_an_empty_window_or_the_newest_confirm()
    {
        var window = new ConfirmWindow<int>(10);
        window.TryAdd(1, now: 100, out _);
        window.TryAdd(2, now: 200, out _);
        Assert.Equal(100, window.ProgressAt);
        window.Settle(1, multiple: false, now: 300);
        Assert.Equal(300, window.ProgressAt);
        window.Settle(2, multiple: false, now: 400);
        window.TryAdd(3, now: 900, out _);
        Assert.Equal(900, window.ProgressAt);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Any_sequence_of_confirms_leaves_what_the_model_leaves(int seed)
    {
        const int Size = 16;
        var random = new Random(seed);
        var window = new ConfirmWindow<ulong>(Size);
        var model = new SortedSet<ulong>();
        var next = 1ul;
        for (var step = 0; step < 5000; step++)
        {
            if (random.Next(3) > 0)
            {
                var fits = model.Count == 0 || next - model.Min < Size;
                Assert.Equal(fits, window.TryAdd(next, 0, out _));
                if (fits)
                {
                    model.Add(next++);
                }
            }
            else
            {
                var tag = (ulong)random.Next((int)Math.Max(0, (long)next - (2 * Size)), (int)next + 2);
                var multiple = random.Next(2) == 0;
                var expected = model.Where(m => multiple ? m <= tag : m == tag).ToList();
                var settled = new List<ulong>();
                window.Settle(tag, multiple, 0, settled.Add);
                Assert.Equal(expected, settled);
                model.ExceptWith(expected);
            }

            Assert.Equal(model.Count, window.Open);
        }

        Assert.Equal(model, window.Abandon());
    }
}
