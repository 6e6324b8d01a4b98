throw new Error('the moon is in the wrong house');
